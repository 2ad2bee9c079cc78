"""Which entities tags say, literally: every stretch of tokens is compared with the tags that it would have."""

from __future__ import annotations


def entities(tags, scheme="BMES"):
    """All (start, end, label) that are legal from the first token to the last, by trying every one."""
    labels = {tag.partition("-")[2] for tag in tags} - {""}
    return sorted(
        (start, end, label)
        for label in labels
        for start in range(len(tags))
        for end in range(start + 1, len(tags) + 1)
        if _is_entity(list(tags), start, end, label, scheme)
    )


def _is_entity(tags, start, end, label, scheme):
    inside = "M" if scheme == "BMES" else "I"
    length = end - start
    if scheme == "BIO":
        goes_on = tags[end : end + 1] == [f"I-{label}"]
        return tags[start:end] == [f"B-{label}"] + [f"I-{label}"] * (length - 1) and not goes_on
    if length == 1:
        return tags[start:end] == [f"S-{label}"]
    return tags[start:end] == [f"B-{label}"] + [f"{inside}-{label}"] * (length - 2) + [f"E-{label}"]


def scores(gold, predicted, scheme="BMES"):
    """Precision, recall and F1 of the tags of some sentences, entity by entity."""
    correct = said = right = 0
    for one, other in zip(gold, predicted, strict=True):
        found, expected = entities(other, scheme), entities(one, scheme)
        said, right = said + len(found), right + len(expected)
        for entity in found:
            if entity in expected:
                correct += 1
    precision = correct / said if said else 0
    recall = correct / right if right else 0
    return precision, recall, 2 * precision * recall / (precision + recall) if correct else 0
