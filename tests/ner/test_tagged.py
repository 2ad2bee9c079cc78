"""A text with its entities: what may be added to it."""

from __future__ import annotations

import re

import pytest

from latticework.core import InputError
from latticework.ner.tagged import TaggedText
from latticework.ner.tags import Span


@pytest.mark.parametrize(
    "spans, message",
    [
        ([(0, 3, "A")], "the span 0-3 (A) is empty or not within 0-2"),
        ([(-1, 1, "A")], "the span -1-1 (A) is empty or not within 0-2"),
        ([(1, 1, "A")], "the span 1-1 (A) is empty or not within 0-2"),
        ([(1, 2, "B"), (0, 2, "A")], "the span 1-2 (B) shares a token with the span 0-2 (A)"),
    ],
)
def test_a_sentence_whose_spans_cannot_be_is_refused_with_its_place_and_not_added(spans, message):
    tagged = TaggedText("spans")
    with pytest.raises(InputError, match=rf"^{re.escape(f'a.bio:7: {message}')}$"):
        tagged.add("中国", ["中", "国"], [0, 1], spans, "a.bio:7")
    assert tagged == TaggedText("spans")


def test_spans_are_kept_from_left_to_right():
    tagged = TaggedText("spans")
    tagged.add("中国", ["中", "国"], [0, 1], iter([(1, 2, "B"), (0, 1, "A")]), "a.bio:1")
    assert tagged.spans == [[Span(0, 1, "A"), Span(1, 2, "B")]]
    assert tagged.tags_in("BIO") == [["B-A", "B-B"]]
