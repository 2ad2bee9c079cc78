from itertools import pairwise

import pytest

from latticework.pages.theme import DARK, LIGHT, SERIES


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """The contrast ratio of WCAG 2.2."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_has_the_contrast_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("background", ["paper", "surface"])
def test_text_can_be_read(theme, background):
    assert min(contrast(theme[name], theme[background]) for name in ("ink", "muted", "accent")) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_lines_and_cells_can_be_seen(theme):
    names = ["heat", *(f"series-{number}" for number in range(1, 1 + SERIES))]
    assert min(contrast(theme[name], theme["paper"]) for name in names) >= 3


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_label_can_be_read_on_its_colour_and_marked_text_on_a_tint_of_it(theme):
    for number in range(1, 1 + SERIES):
        colour, paper = theme[f"series-{number}"], theme["paper"]
        pairs = [(int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
        tint = "#" + "".join(f"{round(0.16 * one + 0.84 * other):02x}" for one, other in pairs)
        assert contrast(paper, colour) >= 4.5
        assert contrast(theme["ink"], tint) >= 4.5


def test_both_themes_have_the_same_colours():
    assert list(LIGHT) == list(DARK)


def test_colours_are_told_apart_by_their_value_because_pictures_are_themed_by_it():
    assert all(one != other for one, other in pairwise(sorted(LIGHT.values())))
