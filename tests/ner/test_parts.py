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


def test_an_empty_sentence_is_one_empty_part():
    parts = Parts.of([[], ["江"], []])
    assert parts.tokens == [[], ["江"], []]
    assert parts.of_each() == [range(1), range(1, 2), range(2, 3)]
    assert Parts.of([]).of_each() == []
