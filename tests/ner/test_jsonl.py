"""JSON lines of texts and entities: what they may look like, and which line goes wrong."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core import InputError
from latticework.ner.io import tagged_lines
from latticework.ner.jsonl import jsonl_line, read_jsonl


@pytest.mark.parametrize(
    "entry",
    [
        {"text": "我 爱中国", "entities": [[3, 5, "LOC"], [0, 1, "PER"], [3, 5, "LOC"]]},
        {"text": "我 爱中国", "labels": [[0, 1, "PER"], [3, 5, "LOC"]], "id": 7},
        {
            "text": "我 爱中国",
            "label": [{"start": 3, "end": 5, "label": "LOC"}, {"start": 0, "end": 1, "label": "PER"}],
        },
        {
            "text": "我 爱中国",
            "entities": [
                {"id": 1, "start_offset": 3, "end_offset": 5, "label": "LOC"},
                {"id": 2, "start_offset": 0, "end_offset": 1, "label": "PER"},
            ],
        },
        {"text": "我 爱中国", "label": {"LOC": {"中国": [[3, 4]]}, "PER": {"我": [[0, 0]]}}},
    ],
)
@pytest.mark.parametrize("escaped", [True, False])
def test_a_line_of_json_may_look_like_this(entry, escaped):
    tagged = read_jsonl([json.dumps(entry, ensure_ascii=escaped), ""], "a.jsonl")
    assert tagged.sentences == [["我", "爱", "中", "国"]]
    assert tagged.tags_in() == [["S-PER", "O", "B-LOC", "E-LOC"]]
    assert tagged.begins == [[0, 2, 3, 4]]
    assert (tagged.texts, tagged.scheme) == (["我 爱中国"], "spans")
    assert tagged.text_spans(0) == [(0, 1, "PER"), (3, 5, "LOC")]


@st.composite
def texts(draw):
    """A text of pieces, some of them entities."""
    text, spans = "", []
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    for label in draw(st.lists(st.sampled_from([None, "LOC", "PER NAM"]), max_size=6)):
        piece = draw(st.text(characters, min_size=1, max_size=4))
        if label and piece.strip() == piece:
            spans.append((len(text), len(text) + len(piece), label))
        text += piece + draw(st.sampled_from(["", " ", "\n", "\u3000"]))
    return text, spans


@given(st.lists(texts(), max_size=3))
def test_what_is_written_as_json_lines_is_read_again(drawn):
    lines = [jsonl_line(text, spans) for text, spans in drawn]
    tagged = read_jsonl(lines, "a.jsonl")
    assert tagged.texts == [text for text, _ in drawn]
    assert [tagged.text_spans(index) for index in range(len(drawn))] == [spans for _, spans in drawn]
    assert list(tagged_lines(tagged, jsonl=True)) == lines


def test_white_space_may_be_inside_an_entity_and_line_ends_inside_a_text():
    tagged = read_jsonl(['{"text": "New\\nYork 𠀀", "entities": [[0, 8, "LOC"], [9, 10, "X"]]}'], "a.jsonl")
    assert tagged.sentences == [[*"NewYork", "𠀀"]]
    assert tagged.tags_in() == [["B-LOC", *["M-LOC"] * 5, "E-LOC", "S-X"]]
    assert tagged.text_spans(0) == [(0, 8, "LOC"), (9, 10, "X")]


def test_empty_texts_stay_empty_sentences():
    lines = ['{"text": "", "entities": []}', '{"text": " ", "entities": []}']
    assert read_jsonl(lines, "a.jsonl").sentences == [[], []]


@pytest.mark.parametrize(
    "line, message",
    [
        ("{oops", "not a JSON object: "),
        ('{"text": "a", "text": "b", "entities": []}', "not a JSON object: the name 'text' stands there twice"),
        (
            '{"text": "ab", "label": {"LOC": {"a": [[0, 0]], "a": [[0, 0]]}}}',
            "not a JSON object: the name 'a' stands there twice",
        ),
        ('{"text": "a", "entities": [], "score": NaN}', "not a JSON object: NaN is not a JSON number"),
        ("[" * 100_000, "not a JSON object: "),
        ("[1]", "expected a JSON object, got a list"),
        ('{"text": 3, "entities": []}', 'expected an object with a text under "text"'),
        ('{"text": "\\ud83d", "entities": []}', "not valid Unicode text"),
        ('{"text": "a\\u0000", "entities": []}', "NUL character at position 1"),
        ('{"text": "abc"}', 'no entities: expected a list under "entities", which may be empty'),
        ('{"text": "abc", "entities": null}', "'entities' is None, expected a list"),
        ('{"text": "abc", "label": "LOC"}', "'label' is 'LOC', expected a list"),
        ('{"text": "abc", "entities": [[0, 1]]}', "the entity [0, 1] is not [start, end, label]"),
        ('{"text": "abc", "entities": [["0", 1, "A"]]}', "the entity ['0', 1, 'A'] is not [start, end, label]"),
        ('{"text": "abc", "entities": [[0, 1.0, "A"]]}', "the entity [0, 1.0, 'A'] is not"),
        ('{"text": "abc", "entities": [[false, true, "A"]]}', "the entity [False, True, 'A'] is not"),
        ('{"text": "abc", "entities": [[0, 1, null]]}', "the entity [0, 1, None] is not"),
        ('{"text": "abc", "entities": [{"start": 0, "label": "A"}]}', "the entity {'start': 0, 'label': 'A'} is not"),
        ('{"text": "abc", "entities": [[0, 1, ""]]}', "'' cannot be the type of an entity"),
        ('{"text": "abc", "entities": [[0, 1, " A"]]}', "' A' cannot be the type of an entity"),
        ('{"text": "abc", "entities": [[0, 1, "\\ud800"]]}', "not valid Unicode text"),
        ('{"text": "abc", "entities": [[0, 1, "A\\tB"]]}', "'A\\tB' cannot be the type of an entity"),
        (
            '{"text": "abc", "entities": [[1, 1, "A"]]}',
            "the entity 1-1 ('A') is empty or not within the text, which is 0-3",
        ),
        ('{"text": "abc", "entities": [[2, 1, "A"]]}', "the entity 2-1 ('A') is empty or not within the text"),
        ('{"text": "abc", "entities": [[-1, 1, "A"]]}', "the entity -1-1 ('A') is empty or not within the text"),
        ('{"text": "abc", "entities": [[0, 4, "A"]]}', "the entity 0-4 ('A') is empty or not within the text"),
        ('{"text": "a c", "entities": [[0, 2, "A"]]}', "the entity 0-2 ('A') begins or ends with white space: 'a '"),
        ('{"text": "a c", "entities": [[1, 3, "A"]]}', "the entity 1-3 ('A') begins or ends with white space: ' c'"),
        (
            '{"text": "a bcd", "entities": [[0, 3, "A"], [2, 5, "B"]]}',
            "the entity 2-5 ('B') shares characters with the entity 0-3 ('A')",
        ),
        ('{"text": "abc", "label": {"A": {"bc": [[0, 1]]}}}', "[0, 1] is not where 'bc' ('A') first and last is"),
        (
            f'{{"text": "abc", "entities": [[0, {"9" * 999}, "{"A" * 999}"]]}}',
            f"the entity 0-{'9' * 60}... ('{'A' * 59}...) is empty",
        ),
        ('{"text": "abc", "label": {"A": {"bc": [[1]]}}}', "[1] is not where 'bc' ('A')"),
        ('{"text": "abc", "label": {"A": {"bc": 5}}}', "5 is not where 'bc' ('A')"),
        ('{"text": "abc", "label": {"A": [[0, 1]]}}', "[0, 1] is not where '' ('A')"),
    ],
)
def test_a_bad_line_of_json_is_named(line, message):
    with pytest.raises(InputError, match=r"^" + re.escape(f"a.jsonl:3: {message}")):
        read_jsonl(['{"text": "x", "entities": []}', "", line], "a.jsonl")
