"""Strict scores equal seqeval's and a literal scorer's, and every wrong entity is accounted for once."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.entities import scores
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOBES

from latticework.core import InputError
from latticework.ner.io import read_tagged
from latticework.ner.metrics import SpanScores, evaluate_spans, span_scores
from latticework.ner.mistakes import mistakes
from latticework.ner.tags import Span, spans_of

NAMES = ["O", *(f"{part}-{label}" for label in ("LOC", "PER.NAM", "PER.NOM") for part in "BMES")]
# Mostly what the gold tags are, so that there is something right.
PAIRS = st.lists(
    st.lists(
        st.one_of(st.sampled_from(NAMES).map(lambda tag: (tag, tag)), st.tuples(*[st.sampled_from(NAMES)] * 2)),
        max_size=9,
    ),
    min_size=1,
    max_size=5,
)


def sides(pairs):
    return [[[pair[side] for pair in sentence] for sentence in pairs] for side in (0, 1)]


def legal(tags):
    return [spans_of(sentence, repair="drop") for sentence in tags]


def as_iobes(tags):
    return [[tag.replace("M-", "I-", 1) for tag in sentence] for sentence in tags]


def seqeval_scores(gold, predicted, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that something is 0
        return precision_recall_fscore_support(
            as_iobes(gold), as_iobes(predicted), scheme=IOBES, zero_division=0, **options
        )


@given(PAIRS)
def test_scores_are_those_of_seqeval_and_of_a_literal_scorer(pairs):
    gold, predicted = sides(pairs)
    ours = span_scores(legal(gold), legal(predicted))
    found = (ours.precision, ours.recall, ours.f1)
    assert found == pytest.approx(scores(gold, predicted))
    assert found == pytest.approx(
        seqeval_scores(gold, predicted, average="micro")[:3] if ours.gold + ours.predicted else (0, 0, 0)
    )


@given(PAIRS)
def test_scores_of_types_are_those_of_seqeval(pairs):
    gold, predicted = sides(pairs)
    ours = evaluate_spans(legal(gold), legal(predicted), gold).by_type
    if ours:
        precisions, recalls, f1s, supports = seqeval_scores(gold, predicted, average=None)
        assert list(ours) == sorted(ours)
        assert [score.precision for score in ours.values()] == pytest.approx(list(precisions))
        assert [score.recall for score in ours.values()] == pytest.approx(list(recalls))
        assert [score.f1 for score in ours.values()] == pytest.approx(list(f1s))
        assert [score.gold for score in ours.values()] == list(supports)


@given(PAIRS)
def test_groups_and_mistakes_add_up(pairs):
    gold, predicted = sides(pairs)
    report = evaluate_spans(legal(gold), legal(predicted), gold, lambda text: text.startswith("B"))
    whole = report.overall
    for groups in (report.by_type, report.by_entity_length, report.by_sentence_length, report.by_lexicon):
        for count in ("gold", "predicted", "correct"):
            assert sum(getattr(score, count) for score in groups.values()) == getattr(whole, count)
    missing = [mistake.gold for mistake in report.mistakes if mistake.gold]
    wrong = [mistake.predicted for mistake in report.mistakes if mistake.predicted]
    assert len(missing) == whole.gold - whole.correct
    assert len(wrong) == whole.predicted - whole.correct
    assert report.sentences == len(gold)
    assert report.perfect == sum(one == other for one, other in zip(legal(gold), legal(predicted), strict=True))
    assert evaluate_spans(legal(gold), legal(gold), gold).mistakes == []


@given(PAIRS)
def test_swapping_the_sides_swaps_precision_and_recall(pairs):
    gold, predicted = map(legal, sides(pairs))
    one, other = span_scores(gold, predicted), span_scores(predicted, gold)
    assert (one.precision, one.recall, one.f1) == (other.recall, other.precision, other.f1)


def test_nothing_scores_nothing():
    zero = SpanScores(0.0, 0.0, 0.0, 0, 0, 0)
    assert span_scores([], []) == span_scores([[], []], [[], []]) == zero
    report = evaluate_spans([[]], [[]], [["x"]], lambda _: True)
    assert (report.overall, report.by_type, report.by_lexicon, report.perfect) == (zero, {}, {}, 1)
    assert span_scores([[]], [[(0, 1, "A")]]) == SpanScores(0.0, 0.0, 0.0, 0, 1, 0)
    assert span_scores([[(0, 1, "A")]], [[]]) == SpanScores(0.0, 0.0, 0.0, 1, 0, 0)


def test_a_report_by_hand():
    sentence = list("张三在中华人民共和国外交部工作了")
    gold = [(0, 2, "PER.NAM"), (3, 10, "LOC.NAM"), (10, 13, "ORG.NAM")]
    predicted = [(0, 2, "PER.NAM"), (3, 10, "ORG.NAM"), (10, 12, "ORG.NAM"), (15, 16, "PER.NOM")]
    words = {"中华人民共和国", "外交"}
    report = evaluate_spans([gold, []], [predicted, []], [sentence, ["好"] * 30], words.__contains__)
    one_of = SpanScores.of
    assert report.overall == one_of(3, 4, 1)
    assert report.by_type == {
        "LOC.NAM": one_of(1, 0, 0),
        "ORG.NAM": one_of(1, 2, 0),
        "PER.NAM": one_of(1, 1, 1),
        "PER.NOM": one_of(0, 1, 0),
    }
    assert report.by_kind == {"NAM": one_of(3, 3, 1), "NOM": one_of(0, 1, 0)}
    assert report.by_entity_length == {
        "1": one_of(0, 1, 0),
        "2": one_of(1, 2, 1),
        "3": one_of(1, 0, 0),
        "5-7": one_of(1, 1, 0),
    }
    assert report.by_sentence_length == {"11-20": one_of(3, 4, 1)}
    assert report.by_lexicon == {"in": one_of(1, 2, 0), "out": one_of(2, 2, 1)}
    assert (report.sentences, report.perfect) == (2, 1)
    assert [(mistake.sentence, mistake.kind) for mistake in report.mistakes] == [
        (0, "type"),
        (0, "boundary"),
        (0, "spurious"),
    ]


def test_the_kind_is_what_stands_behind_the_last_dot():
    spans = [[(0, 1, "ORG.GOV.NAM")]]
    assert evaluate_spans(spans, spans, [["x"]]).by_kind == {"NAM": SpanScores.of(1, 1, 1)}


def test_lengths_fall_into_groups_in_order():
    sentences = [["x"] * length for length in (1, 4, 5, 7, 8, 12, 13, 200)]
    spans = [[(0, len(sentence), "A")] for sentence in sentences]
    report = evaluate_spans(spans, spans, sentences)
    assert list(report.by_entity_length) == ["1", "4", "5-7", "8-12", "13+"]
    assert list(report.by_sentence_length) == ["0-10", "11-20", "161+"]
    assert (report.by_lexicon, report.by_kind) == (None, {})


@pytest.mark.parametrize(
    "gold, predicted, kinds",
    [
        ([(0, 2, "A")], [(0, 2, "B")], ["type"]),
        ([(0, 2, "A")], [(1, 3, "A")], ["boundary"]),
        ([(0, 2, "A")], [(1, 3, "B")], ["type and boundary"]),
        ([(0, 2, "A")], [(2, 3, "A")], ["missed", "spurious"]),
        ([(0, 2, "A"), (2, 4, "A")], [(0, 4, "A")], ["boundary", "missed"]),
        ([(0, 4, "A")], [(0, 1, "A"), (1, 4, "B")], ["spurious", "type and boundary"]),
        ([(0, 2, "A")], [(0, 2, "A")], []),
    ],
)
def test_mistakes_have_kinds(gold, predicted, kinds):
    found = mistakes([gold], [predicted])
    assert sorted(mistake.kind for mistake in found) == sorted(kinds)


def test_an_entity_that_is_missed_is_paired_with_what_covers_most_of_it():
    found = mistakes([[(0, 4, "A")]], [[(0, 1, "A"), (1, 4, "B")]])
    assert [(mistake.gold, mistake.predicted) for mistake in found] == [
        (None, Span(0, 1, "A")),
        (Span(0, 4, "A"), Span(1, 4, "B")),
    ]


def test_entities_that_can_be_read_only_once_are_enough():
    report = evaluate_spans([iter([(0, 2, "LOC")])], [iter([])], ["中国"])
    assert (report.overall.recall, report.perfect) == (0, 0)
    assert [mistake.kind for mistake in report.mistakes] == ["missed"]


def test_sides_and_sentences_must_fit():
    with pytest.raises(InputError, match=r"^the entities of 1 sentences cannot be scored against those of 2$"):
        span_scores([[], []], [[]])
    with pytest.raises(InputError, match=r"^1 sentences, but the entities of 2$"):
        evaluate_spans([[], []], [[], []], [["x"]])
    with pytest.raises(InputError, match=r"^sentence 1 has 1 tokens, but an entity \(0, 2, 'A'\)$"):
        evaluate_spans([[], []], [[], [(0, 2, "A")]], [["x"], ["y"]])
    for start, end in [(0, 0), (1, 0), (-1, 1)]:
        with pytest.raises(InputError, match=rf"^sentence 0 has 2 tokens, but an entity \({start}, {end}, 'A'\)$"):
            evaluate_spans([[(start, end, "A")]], [[]], [["x", "y"]])


@pytest.mark.realdata
def test_resume_scores_full_against_itself(data_folder):
    tagged = read_tagged(data_folder / "ner/resume_ner/test.char.bmes")
    report = evaluate_spans(tagged.spans, tagged.spans, tagged.sentences)
    assert report.overall == SpanScores(1.0, 1.0, 1.0, 1_630, 1_630, 1_630)
    assert len(report.by_type) == 8
