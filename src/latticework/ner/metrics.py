"""Precision, recall and F1 of entities, strictly: one is right if its first and last token and its type all are.

That is conlleval's and seqeval's measure, micro-averaged. Of nothing the scores are 0, never -1 or NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from latticework.core.errors import InputError
from latticework.ner.mistakes import Mistake, mistakes
from latticework.ner.tags import Span

ENTITY_LENGTHS: Final = (1, 2, 3, 4, 5, 8, 13)  # where each group of lengths begins
SENTENCE_LENGTHS: Final = (0, 11, 21, 41, 81, 161)
Spans = Sequence[Iterable[tuple[int, int, str]]]
Key = TypeVar("Key", str, int)
_Found = set[tuple[int, Span]]  # entities, each with the index of its sentence


@dataclass(frozen=True)
class SpanScores:
    """How many entities there are, were predicted, and are right, and what follows of it; from 0 to 1."""

    precision: float
    recall: float
    f1: float
    gold: int
    predicted: int
    correct: int

    @classmethod
    def of(cls, gold: int, predicted: int, correct: int) -> SpanScores:
        """From the three numbers.

        Examples
        --------
        >>> SpanScores.of(4, 2, 1)
        SpanScores(precision=0.5, recall=0.25, f1=0.3333333333333333, gold=4, predicted=2, correct=1)
        """
        precision = correct / predicted if predicted else 0.0
        recall = correct / gold if gold else 0.0
        f1 = 2 * correct / (gold + predicted) if gold + predicted else 0.0
        return cls(precision, recall, f1, gold, predicted, correct)


@dataclass(frozen=True)
class Report:
    """Scores of a whole text and of its parts; a group without any entity, right or wrong, is left out.

    Attributes
    ----------
    overall : SpanScores
        Of all entities.
    by_type : dict
        Of each type.
    by_kind : dict
        Of what the types say after their last dot, such as NAM (named) and NOM (nominal); empty if none has a dot.
    by_entity_length, by_sentence_length : dict
        Of entities, or in sentences, of so many tokens: "1", "5-7", "13+".
    by_lexicon : dict or None
        Of entities whose wording is "in" the lexicon or "out" of it; None if nobody said what is in it.
    sentences, perfect : int
        How many sentences there are, and in how many of them no entity is wrong or missing.
    mistakes : list of Mistake
        Every entity that is wrong or missing.
    """

    overall: SpanScores
    by_type: dict[str, SpanScores]
    by_kind: dict[str, SpanScores]
    by_entity_length: dict[str, SpanScores]
    by_sentence_length: dict[str, SpanScores]
    by_lexicon: dict[str, SpanScores] | None
    sentences: int
    perfect: int
    mistakes: list[Mistake]


def span_scores(gold: Spans, predicted: Spans) -> SpanScores:
    """Score the predicted entities of some sentences.

    Raises
    ------
    InputError
        If there are not as many sentences of one as of the other.

    Examples
    --------
    >>> span_scores([[(0, 2, "LOC")], [(1, 2, "PER")]], [[(0, 2, "LOC")], [(0, 2, "PER")]]).f1
    0.5
    """
    right, said = _collected(gold, predicted)
    return SpanScores.of(len(right), len(said), len(right & said))


def evaluate_spans(
    gold: Spans,
    predicted: Spans,
    sentences: Sequence[Sequence[str]],
    in_lexicon: Callable[[str], bool] | None = None,
) -> Report:
    """Score the predicted entities of some sentences, as a whole and by groups.

    Parameters
    ----------
    gold, predicted : sequence of iterables of (start, end, label)
        The entities of each sentence, as spans of its tokens.
    sentences : sequence of sequences of str
        The tokens.
    in_lexicon : callable, optional
        Whether a wording is a word of the lexicon.

    Raises
    ------
    InputError
        If there are not as many sentences of one as of the others, or an entity is not within its sentence.

    Examples
    --------
    >>> report = evaluate_spans([[(0, 2, "LOC")]], [[(0, 2, "LOC"), (2, 3, "PER")]], ["中国人"], {"中国"}.__contains__)
    >>> report.overall.precision, report.by_type["LOC"].f1, report.by_lexicon["in"].f1
    (0.5, 1.0, 1.0)
    """
    gold, predicted = ([list(spans) for spans in side] for side in (gold, predicted))  # they are gone through twice
    right, said = _collected(gold, predicted)
    if len(sentences) != len(gold):
        raise InputError(f"{len(sentences)} sentences, but the entities of {len(gold)}")
    for index, span in sorted(right | said):
        if not 0 <= span.start < span.end <= len(sentences[index]):
            raise InputError(f"sentence {index} has {len(sentences[index])} tokens, but an entity {tuple(span)}")

    def entity_group(_: int, span: Span) -> int:
        return _group(span.end - span.start, ENTITY_LENGTHS)

    def sentence_group(index: int, _: Span) -> int:
        return _group(len(sentences[index]), SENTENCE_LENGTHS)

    by_lexicon = None
    if in_lexicon is not None:
        known = {
            place for place in right | said if in_lexicon("".join(sentences[place[0]][place[1].start : place[1].end]))
        }
        by_lexicon = _scores_by(right, said, lambda *place: "in" if place in known else "out")
    dotted_right, dotted_said = ({place for place in found if "." in place[1].label} for found in (right, said))
    wrong = mistakes(gold, predicted)
    return Report(
        overall=SpanScores.of(len(right), len(said), len(right & said)),
        by_type=_scores_by(right, said, lambda _, span: span.label),
        by_kind=_scores_by(dotted_right, dotted_said, lambda _, span: span.label.rpartition(".")[2]),
        by_entity_length=_named(_scores_by(right, said, entity_group), ENTITY_LENGTHS),
        by_sentence_length=_named(_scores_by(right, said, sentence_group), SENTENCE_LENGTHS),
        by_lexicon=by_lexicon,
        sentences=len(sentences),
        perfect=len(sentences) - len({mistake.sentence for mistake in wrong}),
        mistakes=wrong,
    )


def _collected(gold: Spans, predicted: Spans) -> tuple[_Found, _Found]:
    if len(gold) != len(predicted):
        raise InputError(f"the entities of {len(predicted)} sentences cannot be scored against those of {len(gold)}")
    right, said = (
        {(index, Span(*span)) for index, spans in enumerate(side) for span in spans} for side in (gold, predicted)
    )
    return right, said


def _scores_by(right: _Found, said: _Found, key: Callable[[int, Span], Key]) -> dict[Key, SpanScores]:
    counts = [Counter(key(*place) for place in found) for found in (right, said, right & said)]
    groups = sorted(set(counts[0]) | set(counts[1]))
    return {group: SpanScores.of(*(count[group] for count in counts)) for group in groups}


def _group(length: int, begins: Sequence[int]) -> int:
    return sum(length >= begin for begin in begins) - 1


def _named(scores: dict[int, SpanScores], begins: Sequence[int]) -> dict[str, SpanScores]:
    def name(group: int) -> str:
        first = begins[group]
        if group + 1 == len(begins):
            return f"{first}+"
        last = begins[group + 1] - 1
        return str(first) if first == last else f"{first}-{last}"

    return {name(group): score for group, score in scores.items()}
