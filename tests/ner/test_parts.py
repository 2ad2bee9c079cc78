"""Long sentences in parts: nothing is lost, cuts are where sentences end, entities find their places again."""

from hypothesis import given
from hypothesis import strategies as st

from latticework.ner.parts import Parts
from latticework.ner.tags import Span

SENTENCES = st.lists(st.lists(st.sampled_from("长江。"), max_size=30), max_size=6)


@given(SENTENCES, st.integers(1, 9))
def test_parts_put_together_are_the_sentences(sentences, most):
    parts = Parts.of(sentences, most=most)
    assert all(len(part) <= most for part in parts.tokens)
    assert [[token for index in mine for token in parts.tokens[index]] for mine in parts.of_each()] == sentences
    spans = [[Span(place, place + 1, token) for place, token in enumerate(part)] for part in parts.tokens]
    joined = parts.join(spans)
    assert [[span.label for span in found] for found in joined] == sentences
    assert [[span.start for span in found] for found in joined] == [list(range(len(row))) for row in sentences]


def test_a_cut_is_after_the_last_sentence_end_of_the_second_half():
    cut = Parts.of([list("江。江江江。江江江江江")], most=8).tokens
    assert list(map("".join, cut)) == ["江。江江江。", "江江江江江"]
    assert list(map("".join, Parts.of([list("江。江江江江江江江")], most=6).tokens)) == ["江。江江江江", "江江江"]


@given(SENTENCES, st.integers(1, 9), st.data())
def test_no_entity_that_is_to_stay_whole_is_cut_and_only_a_longer_one_makes_a_longer_part(sentences, most, data):
    spans = []
    for sentence in sentences:
        bounds = sorted(data.draw(st.lists(st.integers(0, len(sentence)), unique=True, max_size=8)))
        pairs = zip(bounds[::2], bounds[1::2], strict=False)
        spans.append([Span(start, end, "X") for start, end in pairs])
    parts = Parts.of(sentences, most=most, whole=spans)
    assert [[token for index in mine for token in parts.tokens[index]] for mine in parts.of_each()] == sentences
    divided = parts.divide(spans)
    assert parts.join(divided) == spans
    for part, found in zip(parts.tokens, divided, strict=True):
        assert all(span.start < span.end <= len(part) for span in found)
        assert len(part) <= most or any(span.end == len(part) for span in found)
    if all(len(row) <= most for row in sentences):
        assert parts.tokens == sentences


def test_a_cut_is_beside_an_entity_where_none_is_after_a_sentence_end():
    sentence = list("江江江江江。江江江江")
    for spans, expected in {
        (): ["江江江江江。", "江江江江"],
        (Span(4, 7, "X"),): ["江江江江江。江江", "江江"],
        (Span(4, 9, "X"),): ["江江江江", "江。江江江江"],
        (Span(0, 9, "X"),): ["江江江江江。江江江", "江"],
        (Span(0, 4, "X"), Span(4, 10, "X")): ["江江江江", "江。江江江江"],
    }.items():
        parts = Parts.of([sentence], most=8, whole=[spans])
        assert list(map("".join, parts.tokens)) == expected
        assert parts.join(parts.divide([spans])) == [list(spans)]


def test_an_empty_sentence_is_one_empty_part():
    parts = Parts.of([[], ["江"], []])
    assert parts.tokens == [[], ["江"], []]
    assert parts.of_each() == [range(1), range(1, 2), range(2, 3)]
    assert Parts.of([]).of_each() == []
