"""Texts with marked spans: cut where marks are, labelled so that no colour is needed, and safe."""

from __future__ import annotations

import re

import pytest

from latticework import InputError
from latticework.pages import Mark, Page, Passage, Passages, Picture, Section

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="9" height="9"><rect/></svg>'


def html(*passages):
    return Page("A", "B", [Section("C", "D", passages=[Passages(passages, "Texts.")])]).html()


def test_a_text_is_cut_where_marks_begin_and_end_and_nothing_is_lost():
    marks = [Mark(0, 2, "LOC"), Mark(2, 3, "PER"), Mark(5, 6, "LOC")]
    passage = Passage("长江王 在边", marks)
    pieces = list(passage.pieces())
    assert [piece for piece, _ in pieces] == ["长江", "王", " 在", "边"]
    assert "".join(piece for piece, _ in pieces) == passage.text
    assert [mark and mark.label for _, mark in pieces] == ["LOC", "PER", None, "LOC"]
    assert list(Passage("").pieces()) == []
    assert list(Passage("好").pieces()) == [("好", None)]


@pytest.mark.parametrize("places", [[(1, 1)], [(-1, 1)], [(0, 4)], [(0, 2), (1, 3)], [(1, 2), (0, 1)]])
def test_marks_that_are_empty_outside_or_overlap_are_refused(places):
    with pytest.raises(InputError, match="of a passage of 3 characters"):
        Passage("abc", [Mark(*place, "X") for place in places])


def test_every_mark_says_its_label_and_its_note():
    page = html(Passage("在 长江", [Mark(2, 4, "LOC", "probability 0.90")], note="with a note"))
    begin, _, rest = page.partition('<mark class="series-1 line-1" title="probability 0.90">')
    assert begin.endswith(">在 ")
    assert rest.startswith('长江<span class="label">&#8288;LOC</span></mark></p>')
    assert '<p class="note">with a note</p>' in page
    assert '<span class="label">LOC</span> 1' in page
    assert "title=" not in html(Passage("长江", [Mark(0, 2, "LOC")])).split("<main>")[1]


def test_the_legend_counts_labels_the_most_frequent_first_and_no_two_look_alike():
    text = "江" * 60
    labels = ["B", "A", "B", *(f"L{number:02}" for number in range(22))]
    passages = Passages([Passage(text, [Mark(i, i + 1, label) for i, label in enumerate(labels)])], "Texts.")
    legend = passages.legend
    assert [(label, count) for label, count, _ in legend[:3]] == [("B", 2), ("A", 1), ("L00", 1)]
    assert len({style for _, _, style in legend}) == len(legend) == 24
    assert passages.styles["A"] == "series-2 line-1"
    assert passages.styles["L04"] == "series-1 line-2"
    assert "Legend" not in html(Passage("没有"))


def test_an_aside_stands_small_behind_the_label():
    page = html(Passage("在长江", [Mark(1, 3, "LOC", aside="<1%")]))
    assert '<span class="label">&#8288;LOC <small>&lt;1%</small></span></mark>' in page
    assert "<small>" not in html(Passage("长江", [Mark(0, 2, "LOC")]))


def test_given_labels_have_their_looks_by_place_whatever_is_there_and_others_come_after_them():
    marks = [Mark(0, 1, "Z"), Mark(1, 2, "Z"), Mark(2, 3, "B"), Mark(3, 4, "Y"), Mark(4, 5, "Z")]
    passages = Passages([Passage("江" * 5, marks)], "Texts.", ["A", "B"])
    assert passages.places == {"A": 0, "B": 1, "Z": 2, "Y": 3}
    assert passages.legend == [("Z", 3, "series-3 line-1"), ("B", 1, "series-2 line-1"), ("Y", 1, "series-4 line-1")]
    assert Passages([], "Texts.", ["A", "B"]).legend == []


def test_a_picture_stands_below_its_text_and_without_a_caption_has_none():
    page = html(
        Passage("一", picture=Picture(SVG, "", "What it shows.")), Passage("二", picture=Picture(SVG, "Said.", ""))
    )
    first, second = page.split("<article>")[1:]
    assert first.index("一") < first.index("<svg")
    assert "figcaption" not in first
    assert 'aria-label="What it shows."' in first
    assert "<figcaption>Said.</figcaption>" in second


def test_hostile_text_stays_text():
    hostile = "<script>alert('x')</script>&\x00"
    page = html(Passage(hostile, [Mark(0, 8, hostile, f'"{hostile}')], note=hostile))
    assert "<script" not in page
    assert "\x00" not in page
    assert page.count("&lt;script&gt;") == 5
    assert re.search(r'title="&#34;&lt;script', page)
