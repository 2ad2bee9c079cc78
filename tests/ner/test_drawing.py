"""The drawing of a lattice: arcs lie below their words, lines compare the weights at one end, and no text is unsafe."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from latticework.ner.drawing import CELL, MARGIN, MOST_CROSSING, NARROW, OPACITY, STROKE, WIDTH
from latticework.ner.explanation import Explanation
from latticework.ner.report import picture
from latticework.ner.results import Arc, Entity
from latticework.ner.text import characters
from latticework.pages.theme import DARK

SVG = "{http://www.w3.org/2000/svg}"


def explanation(text, arcs=(), entities=()):
    """Of a text, with arcs (start, end, weight) and entities (start, end, label)."""
    tokens, offsets = characters(text)
    return Explanation(
        text=text,
        offsets=offsets,
        tags=["O"] * len(tokens),
        entities=[Entity(start, end, label, text[start:end], 0.9) for start, end, label in entities],
        arcs=[Arc(start, end, text[start:end], *_both(weight)) for start, end, weight in arcs],
        characters=np.full((len(tokens), 2), 0.25, np.float32),
    )


def _both(weight):
    return weight if isinstance(weight, tuple) else (weight, weight)


def lines(svg):
    """Of every arc its left and right end, its depth and its opacity, in the order of the drawing."""
    found = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        left, depth, rise = re.match(r"M([\d.]+) ([\d.]+)( q0)?", path.get("d")).groups()
        right, closed = re.search(r"H([\d.]+)( q6)?", path.get("d")).groups()
        opacity = float(re.search(r"stroke-opacity: ([\d.]+)", path.get("style"))[1])
        found.append((float(left), float(right) + (10 if closed else 0), float(depth) + (6 if rise else 0), opacity))
    return found


def texts(svg):
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def widths(svg):
    return [float(width) for width in re.findall(r"stroke-width: ([\d.]+); stroke-opacity", svg)]


def test_an_arc_lies_below_its_word_and_its_number_is_its_weight():
    svg = explanation("在长江边", [(1, 3, (0.75, 0.25))]).svg()
    ((left, right, _, _),) = lines(svg)
    assert (left, right) == pytest.approx((MARGIN + CELL + 4, MARGIN + 3 * CELL))
    assert "长江 0.50" in texts(svg)
    assert sum("在" in text for text in texts(svg)) == 1


def test_words_that_have_what_all_would_have_if_trusted_alike_have_lines_of_middle_strength():
    alone = (0, 2, (1 / 2, 1 / 2))
    of_two = [(3, 6, (1 / 3, 1 / 2)), (4, 6, (1 / 3, 1 / 2))]
    of_three = [(7, end, (1 / 2, 1 / 4)) for end in (9, 10, 11)]
    svg = explanation("江" * 12, [alone, *of_two, *of_three]).svg()
    assert [line[3] for line in lines(svg)] == [sum(OPACITY) / 2] * 6
    assert widths(svg) == [sum(STROKE) / 2] * 6


def test_a_line_is_stronger_than_that_of_another_word_with_the_same_end_that_has_less():
    svg = explanation("南京市长江", [(3, 5, (0.40, 0.5)), (2, 5, (0.28, 0.5))]).svg()
    (more, less), (thick, thin) = [line[3] for line in lines(svg)], widths(svg)
    assert less < sum(OPACITY) / 2 < more
    assert thin < sum(STROKE) / 2 < thick


def test_a_word_among_many_has_a_smaller_number_and_no_fainter_line_for_that():
    svg = explanation("江" * 9, [(0, 2, 0.55), *((4, 4 + size, (0.55, 0.22)) for size in (2, 3, 4, 5))]).svg()
    assert len({line[3] for line in lines(svg)}) == 1


def test_no_arc_disappears_and_none_is_more_than_opaque():
    svg = explanation("长江大桥", [(0, 2, 0.0), (2, 4, 1.0)]).svg()
    assert [line[3] for line in lines(svg)] == list(OPACITY)
    assert widths(svg) == list(STROKE)


def test_weights_of_both_directions_and_of_characters_are_told_when_pointed_at():
    titles = [
        each.text for each in ElementTree.fromstring(explanation("长江", [(0, 2, 0.5)]).svg()).iter(f"{SVG}title")
    ]
    told = (
        "长江: α 0.50 forward, where it ends (0.50 if all there were trusted alike); "
        "0.50 backward, where it begins (0.50 if alike)"
    )
    assert told in titles
    assert "α of 长 itself: 0.25 forward, 0.25 backward" in titles


def test_overlapping_words_lie_at_different_depths_and_others_share_one():
    arcs = [(0, 2, 0.5), (0, 3, 0.5), (2, 4, 0.5), (4, 6, 0.5), (3, 5, 0.5), (4, 7, 0.5)]
    found = lines(explanation("南京市长江大桥", arcs).svg())
    assert len(found) == len(arcs)
    for index, (left, right, depth, _) in enumerate(found):
        for other_left, other_right, other_depth, _ in found[:index]:
            assert depth != other_depth or right <= other_left + 4 or other_right <= left + 4
    assert len({depth for _, _, depth, _ in found}) == 3


def test_a_long_text_goes_on_in_rows_that_break_between_words_if_they_can():
    text = "今天记者在长江边看" * 12
    arcs = [(start, start + 2, 0.5) for start in range(0, len(text) - 1, 9)]
    svg = explanation(text, arcs).svg()
    width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    assert WIDTH / 2 < width <= WIDTH + 2 * MARGIN + 1
    assert height > 5 * CELL
    assert len(lines(svg)) == len(arcs), "none is cut in two"
    assert all(right <= width for _, right, _, _ in lines(svg))


def test_a_word_longer_than_a_row_is_drawn_in_parts_with_open_ends():
    text = "江" * 60
    svg = explanation(text, [(0, 60, 0.5)], [(0, 60, "ORG")]).svg()
    paths = [path.get("d") for path in ElementTree.fromstring(svg).iter(f"{SVG}path")]
    assert len(paths) == 3
    assert [" q0 6" in path for path in paths] == [True, False, False]
    assert [" q6 0" in path for path in paths] == [False, False, True]
    assert [text for text in texts(svg) if "ORG" in text] == ["ORG", "…ORG", "…ORG"]


def test_where_very_many_words_cross_those_with_the_strongest_lines_are_drawn_and_the_caption_says_so():
    text = "江" * 40
    arcs = [(start, start + size, size / 100) for start in range(30) for size in range(2, 10)]
    shown = picture(explanation(text, arcs))
    kept = len(lines(shown.svg))
    assert 0 < kept <= len(text) * MOST_CROSSING
    assert re.fullmatch(r"Not drawn: \d+ words with faint lines, where more than 6 cross\.", shown.caption)
    assert "0.09" in shown.alt
    assert len(shown.alt) < 1000


def test_latin_letters_and_white_space_are_narrow():
    ((left, right, _, _),) = lines(explanation("在 AB长江", [(4, 6, 0.5)]).svg())
    assert right - left == pytest.approx(2 * CELL - 4)
    assert left == pytest.approx(MARGIN + CELL + 10 + 2 * NARROW + 4)


@pytest.mark.parametrize(
    "text", ["", "   ", "长", "\u2028", "</svg><script>alert(1)</script> & \x00\ufffe", "🀄𠀀👩‍👩‍👧é"]
)
def test_whatever_the_text_the_drawing_is_well_formed(text):
    arcs = [(0, len(text), 0.5)] if len(text) > 1 and not text[0].isspace() and not text[-1].isspace() else []
    entities = [(0, len(text), "<LOC>&")] if arcs else []
    shown = picture(explanation(text, arcs, entities))
    root = ElementTree.fromstring(shown.svg)
    assert not list(root.iter(f"{SVG}script"))
    assert "nan" not in shown.svg
    assert shown.alt


def test_the_same_lattice_gives_the_same_drawing_alone_or_explained(lattice, planted):
    explained = lattice.explain(planted.test.texts[1])
    assert explained.svg() == lattice.explain(planted.test.texts[1]).svg()
    assert [round(arc.weight, 2) for arc in explained.arcs] == [
        float(text.split()[-1]) for text in texts(explained.svg()) if re.search(r" 0\.\d\d$", text)
    ]


def test_a_drawing_alone_follows_the_mode_of_its_reader_and_one_of_a_page_that_of_the_page():
    explained = explanation("在长江边", [(1, 3, 0.5)], [(1, 3, "LOC")])
    alone, on_page = explained.svg(), picture(explained).svg
    assert "@media (prefers-color-scheme: dark) { .latticework-lattice {" in alone
    dark = alone.partition("</style>")[0]
    for name in set(re.findall(r"var\(--([\w-]+)", alone)):
        assert f"--{name}: {DARK[name]};" in dark
    assert "<style" not in on_page
    assert "var(--paper" not in on_page, "a ground of its own would hide the shade that says that there is more"


def test_a_drawing_fits_a_sheet_of_paper_so_that_all_of_a_page_keep_one_scale():
    millimetre = 96 / 25.4
    sheet = (210 - 2 * 18) * millimetre  # A4 without the margins of page.css
    assert sheet >= WIDTH + 2 * MARGIN
