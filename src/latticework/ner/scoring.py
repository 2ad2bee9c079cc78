"""A tagger measured on tagged sentences: the scores, as plain data and as lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from latticework.core.terminal import table_lines
from latticework.ner.metrics import Report, SpanScores, evaluate_spans
from latticework.ner.tags import Span

if TYPE_CHECKING:
    from latticework.ner.estimator import Tagger
    from latticework.ner.lexicon import Lexicon
    from latticework.ner.tagged import TaggedText

GROUPS: Final = {
    "by_type": "type",
    "by_kind": "kind",
    "by_lexicon": "word of the lexicon",
    "by_entity_length": "characters of the entity",
    "by_sentence_length": "characters of the sentence",
}
NAMES: Final = {"in": "yes", "out": "no"}  # of the groups by lexicon
COLUMNS: Final = ("precision", "recall", "F1", "right", "found", "wanted")


def scores(tagger: Tagger, tagged: TaggedText, lexicon: Lexicon | None = None) -> Report:
    """Tag the sentences and compare. Entities are told apart by the lexicon, or the tagger's own, if it has words."""
    lexicon = tagger.lexicon_ if lexicon is None else lexicon
    found = tagger.spans(tagged.sentences)
    return evaluate_spans(tagged.spans, found, tagged.sentences, lexicon.__contains__ if len(lexicon) else None)


def as_dict(report: Report, tagged: TaggedText) -> dict[str, Any]:
    """All of a report as plain data; a mistake has the place of its sentence and the wording."""

    def described(sentence: int, span: Span | None) -> dict[str, Any] | None:
        if span is None:
            return None
        return {**span._asdict(), "text": "".join(tagged.sentences[sentence][span.start : span.end])}

    mistakes = [
        {
            "place": tagged.places[mistake.sentence],
            "kind": mistake.kind,
            "gold": described(mistake.sentence, mistake.gold),
            "predicted": described(mistake.sentence, mistake.predicted),
        }
        for mistake in report.mistakes
    ]
    groups: dict[str, Mapping[str, SpanScores] | None] = {name: getattr(report, name) for name in GROUPS}
    return {
        **asdict(report.overall),
        **{name: found and {key: asdict(each) for key, each in found.items()} for name, found in groups.items()},
        "sentences": report.sentences,
        "perfect_sentences": report.perfect,
        "mistakes": mistakes,
    }


def score_lines(report: Report) -> list[str]:
    r"""A table for people: a line for each group.

    Examples
    --------
    >>> print("\n".join(score_lines(evaluate_spans([[(0, 2, "LOC")]], [[(0, 2, "LOC")]], ["中国"]))))
                                precision  recall     F1  right  found  wanted
    all                             1.000   1.000  1.000      1      1       1
    type
      LOC                           1.000   1.000  1.000      1      1       1
    characters of the entity
      2                             1.000   1.000  1.000      1      1       1
    characters of the sentence
      0-10                          1.000   1.000  1.000      1      1       1
    1 of 1 sentences without a mistake
    """
    rows = [["all", *_cells(report.overall)]]
    for name, title in GROUPS.items():
        groups: Mapping[str, SpanScores] | None = getattr(report, name)
        if groups:
            known = NAMES if name == "by_lexicon" else {}
            rows += [[title], *([f"  {known.get(key, key)}", *_cells(each)] for key, each in groups.items())]
    lines = table_lines(["", *COLUMNS], rows)
    kinds = Counter(mistake.kind for mistake in report.mistakes)
    told = "; mistakes: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) if kinds else ""
    return [*lines, f"{report.perfect} of {report.sentences} sentences without a mistake{told}"]


def _cells(scores: SpanScores) -> list[str]:
    shares = (scores.precision, scores.recall, scores.f1)
    return [*(f"{share:.3f}" for share in shares), *map(str, (scores.correct, scores.predicted, scores.gold))]
