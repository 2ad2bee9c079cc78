"""Maps of voxels are drawn the right way up, in colours that tell the sign."""

import numpy as np
import pytest

from latticework.mediation.report.pictures import Canvas, Scale, map_picture
from latticework.mediation.spaces import Space
from latticework.pages import plotting


def test_a_slice_is_drawn_right_to_the_right_and_up_upwards():
    mask = np.array([[True, True], [True, False]])
    affine = np.diag([-1.0, 2.0, 1.0, 1.0])  # the first axis runs to the left
    canvas = Canvas.of(Space.of(mask, affine), np.zeros((3, 2)))
    image, aspect = canvas.slice(np.array([1.0, 2.0, 3.0]))  # at (0, 0), (0, 1), (1, 0)
    assert aspect == 2
    assert np.array_equal(image, [[np.nan, 2.0], [3.0, 1.0]], equal_nan=True)


def test_a_sagittal_slice_has_the_front_to_the_right():
    mask = np.ones((1, 3, 2), dtype=bool)
    canvas = Canvas.of(Space.of(mask), np.zeros((6, 3)))
    image, _ = canvas.slice(np.arange(6.0))  # three along the second axis, two along the third
    assert image.tolist() == [[1.0, 3.0, 5.0], [0.0, 2.0, 4.0]]


def test_colours_tell_the_sign_and_are_black_at_nought():
    scale = Scale.around_nought(np.array([2.0, -1.0]), unit="mm")
    below, middle, above, outside = scale.colours(np.array([-2.0, 0.0, 2.0, np.nan])).astype(int)
    assert middle[:3].max() < 8
    assert below[2] > below[0]
    assert above[0] > above[2]
    assert outside[3] == 0
    assert above[3] == 255
    assert Scale.around_nought(np.zeros(3), unit="mm").high == 1.0


def test_a_line_of_voxels_is_drawn():
    canvas = Canvas.of(None, np.arange(5.0)[:, None])
    picture = map_picture(canvas, [("", np.arange(5.0))], Scale(0.0, 4.0, "mm"), caption="A line.")
    assert picture.alt.startswith("Map of 5 voxels, in mm")


def test_a_volume_is_drawn_while_nothing_else_has_the_parameters_of_the_process(monkeypatch):
    held = []
    nilearn = pytest.importorskip("nilearn.plotting")
    monkeypatch.setattr(nilearn, "plot_glass_brain", lambda *_, **__: held.append(plotting._parameters.locked()))
    canvas = Canvas.of(Space.of(np.ones((2, 2, 2), dtype=bool)), np.zeros((8, 3)))
    map_picture(canvas, [("", np.arange(8.0))], Scale(0.0, 7.0, "mm"), caption="A cube.", view="glass")
    assert held == [True]
