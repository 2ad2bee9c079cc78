import numpy as np
import pytest
from anomaly.grounds import disc

from latticework.anomaly.preparation.backgrounds import differs
from latticework.anomaly.preparation.parts import find_part
from latticework.anomaly.scans.samples import Sample

HEIGHT, WIDTH = 120, 160


def picture(part, *, noise=2.0, slope=40.0):
    """A dark part before a light background that becomes lighter to the right."""
    generator = np.random.default_rng(0)
    background = 150 + slope * np.linspace(-1, 1, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    colours = np.where(part[..., None], 80.0, background) + noise * generator.standard_normal((HEIGHT, WIDTH, 3))
    return np.clip(colours, 0, 255).astype(np.uint8)


def test_nothing_of_an_unevenly_lit_background_differs_from_it():
    part = disc(HEIGHT, WIDTH, 60, 70, 25)
    found = differs(picture(part)).mask
    assert found[part].all()
    assert not found[~disc(HEIGHT, WIDTH, 60, 70, 29)].any()


def test_a_hue_of_the_same_brightness_differs():
    part = disc(HEIGHT, WIDTH, 60, 70, 25)
    rgb = np.where(part[..., None], np.array([170, 130, 150]), 150).astype(np.uint8)
    assert differs(rgb).mask[part].all()


@pytest.mark.parametrize("columns, told", [(10, True), (25, True), (60, False), (120, False)])
def test_a_part_may_be_at_the_border_as_long_as_most_of_that_is_background(columns, told):
    part = np.zeros((HEIGHT, WIDTH), dtype=bool)
    part[20:100, :columns] = True
    part[:, :columns] |= columns > 30
    found = differs(picture(part))
    assert (found is not None) == told
    if told:
        assert found.mask[part].mean() > 0.99


def test_single_bright_pixels_are_no_part():
    part = disc(HEIGHT, WIDTH, 60, 70, 25)
    rgb = picture(part)
    rgb[::20, ::20] = 255
    assert not find_part(Sample.of(rgb=rgb)).mask[~disc(HEIGHT, WIDTH, 60, 70, 34)].any()  # but for one at its edge


def test_specks_that_touch_a_part_are_no_part_but_thin_things_that_stand_out_are():
    """Together they would be a whisker, and the hull of both would have a corner."""
    part = disc(HEIGHT, WIDTH, 60, 70, 25)
    whisker = part.copy()
    whisker[59:62, 95:120] = True
    for away, kept in ((9, False), (70, True)):
        rgb = picture(part).astype(int)
        rgb[whisker & ~part] -= away
        rgb = np.clip(rgb, 0, 255).astype(np.uint8)
        assert differs(rgb).mask[60, 115], "both differ from the background"
        assert find_part(Sample.of(rgb=rgb)).mask[60, 115] == kept


@pytest.mark.parametrize("length, kept", [(20, False), (110, True)])
def test_a_faint_handle_is_dropped_unless_it_is_most_of_the_part(length, kept):
    part = np.zeros((HEIGHT, WIDTH), dtype=bool)
    part[54:68, 20:34] = part[59:62, 34 : 34 + length] = True
    rgb = np.where(part[..., None], 141.0, 150.0).repeat(3, axis=2).astype(np.uint8)
    assert differs(rgb).mask[60, 33 + length]
    assert find_part(Sample.of(rgb=rgb)).mask[60, 33 + length] == kept


def test_a_part_that_is_thin_everywhere_is_a_part():
    part = np.zeros((HEIGHT, WIDTH), dtype=bool)
    part[59:62, 30:120] = True
    rgb = np.where(part[..., None], 136.0, 150.0).repeat(3, axis=2).astype(np.uint8)
    assert find_part(Sample.of(rgb=rgb)).mask[60, [31, 118]].all()
    part[60:62] = False
    rgb = np.where(part[..., None], 136.0, 150.0).repeat(3, axis=2).astype(np.uint8)
    assert "no background can be told" in find_part(Sample.of(rgb=rgb)).doubt, "a hair is no more than noise"


@pytest.mark.parametrize("colour", [0, 255])
def test_a_background_of_one_colour_such_as_that_of_a_picture_that_was_cut_out_is_told(colour):
    part = disc(HEIGHT, WIDTH, 60, 70, 25)
    rgb = np.where(part[..., None], 128, colour).astype(np.uint8).repeat(3, axis=2)
    assert differs(rgb).mask[part].all()
