"""Columns of tokens and tags: what they may look like, and which line goes wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core import InputError
from latticework.ner.conll import conll_lines, read_conll
from latticework.ner.tags import SCHEMES, Span, tags_of

TOKENS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=3).filter(
    lambda token: token.strip() and token == token.strip(" ")
)


@st.composite
def sentences(draw):
    """Tokens, and the entities among them."""
    drawn, spans = [], []
    for label in draw(st.lists(st.sampled_from([None, "LOC", "PER NAM"]), min_size=1, max_size=5)):
        piece = draw(st.lists(TOKENS, min_size=1, max_size=3))
        if label:
            spans.append(Span(len(drawn), len(drawn) + len(piece), label))
        drawn += piece
    return drawn, spans


@pytest.mark.parametrize("scheme", SCHEMES)
@given(st.lists(sentences(), min_size=1, max_size=3))
def test_what_is_written_as_columns_is_read_again(scheme, drawn):
    sure = ["x"] * 4, [Span(0, 3, "A"), Span(3, 4, "A")]  # which makes guessing the scheme sure
    sentences, spans = map(list, zip(sure, *drawn, strict=True))
    tags = [tags_of(found, len(tokens), scheme) for tokens, found in zip(sentences, spans, strict=True)]
    lines = [line for tokens, named in zip(sentences, tags, strict=True) for line in conll_lines(tokens, named)]
    text, normalised, blank = read_conll(lines, "x")
    assert (text.sentences, text.spans, text.scheme) == (sentences, spans, scheme)
    assert text.tags_in(scheme) == tags
    assert text.tags_in() == text.tags_in("BMES")
    assert normalised.illegal == blank == []


def test_places_within_words_are_left_out_where_every_token_has_one():
    lines = ["口0 O", "腔1 O", "20 B-X", "31 I-X", "", "酸0 O"]
    assert read_conll(lines, "weibo").text.sentences == [["口", "腔", "2", "3"], ["酸"]]
    long = [f"字{place} O" for place in range(12)]
    assert read_conll(long, "weibo").text.sentences == [["字"] * 12]
    for other in (["口0 O", "腔 O"], ["口1 O"], ["A120 O"], ["2 O", "0 O"]):
        assert read_conll(other, "other").text.sentences == [[line.split()[0] for line in other]]


@pytest.mark.parametrize("blank", [" ", "\u3000", "\xa0"])
@pytest.mark.parametrize("separator", [" ", "\t"])
def test_white_space_is_no_token_and_its_entity_goes_on_without_it(blank, separator):
    tags = ["B-X", "M-X", "E-X", "S-X", "O"]
    lines = [f"{token}{separator}{tag}" for token, tag in zip([blank, "中", "国", blank, "人"], tags, strict=True)]
    text, normalised, blanks = read_conll(lines, "a.txt")
    assert (text.sentences, text.tags_in()) == ([["中", "国", "人"]], [["B-X", "E-X", "O"]])
    assert (normalised.illegal, blanks) == ([], ["a.txt:1", "a.txt:4"])


def test_white_space_is_found_among_more_columns():
    assert read_conll(["中 NN O", "  NN O", " 国 NN O"], "a.txt").text.sentences == [["中", "国"]]


@pytest.mark.parametrize(
    "lines, message",
    [
        (["中 O", "国"], "2: expected a token and a tag, got '国' alone"),
        (["中\tO", "国\t"], "2: expected a token and a tag, got '国' alone"),
        (["中 O", "O"], "2: expected a token and a tag, got 'O' alone"),
        (
            ["", "B-LOC 中", "E-LOC 国", "", "中 O"],
            "2: the first column is a tag, 'B-LOC', and the last none: expected the token first and its tag last",
        ),
        (["中 O", "国 NN O"], "2: 3 columns, where the lines before have 2"),
        (["中 NN O", "", "国 O"], "3: 2 columns, where the lines before have 3"),
        (["中 O", "国 LOC"], "2: 'LOC' is no BMES tag, expected O, B-TYPE, M-TYPE, E-TYPE, S-TYPE"),
        (["中 O NN"], "1: 'NN' is no BMES tag, expected O, "),
        (["中 B-LOC", "国 i-LOC"], "2: 'i-LOC' is no BIO tag, expected O, B-TYPE, I-TYPE"),
        (["中 B-LOC", "国 M-LOC", "", "人 I-LOC"], "4: 'I-LOC' is no BMES tag, expected O, "),
        (["中 B-"], "1: 'B-' is no BIO tag"),
    ],
)
def test_a_line_that_is_no_token_with_its_tag_is_named(lines, message):
    with pytest.raises(InputError, match=r"^" + re.escape(f"a.txt:{message}")):
        read_conll(lines, "a.txt")


@pytest.mark.parametrize("token", ["", " ", " a", "a\tb", "a\nb", "\u3000", "-DOCSTART-"])
def test_tokens_that_are_no_column_are_not_written(token):
    with pytest.raises(InputError, match=r"^token 1 with its tag, .* cannot be a line of a CoNLL file$"):
        conll_lines(["x", token], ["O", "O"])


def test_tokens_and_tags_are_as_many():
    with pytest.raises(InputError, match=r"^1 tokens but 2 tags$"):
        conll_lines(["x"], ["O", "O"])
