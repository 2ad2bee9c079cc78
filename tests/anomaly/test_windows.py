"""Windows pair every pixel with its neighbours once, and never across the rim of the picture."""

import pytest
import torch

from latticework.anomaly.features.windows import Window, where_seen
from latticework.core import InputError


@pytest.mark.parametrize(
    "height, width, radius, step", [(6, 5, 2, 1), (7, 9, 4, 2), (3, 2, 3, 1), (1, 1, 2, 2), (4, 3, 1, 1)]
)
def test_the_pairs_are_all_pairs_of_pixels_in_a_window_once(height, width, radius, step):
    window = Window(radius=radius, step=step)
    numbers = window.flatten(torch.arange(float(height * width)).view(1, 1, height, width))[0, 0]
    found = [
        (int(one), int(other))
        for *_, shift in window.pairs(width)
        for one, other in zip(numbers[:-shift], numbers[shift:], strict=True)
        if not (one.isnan() or other.isnan())
    ]
    reach = range(-radius, radius + 1, step)
    expected = {
        (row * width + column, (row + down) * width + column + right)
        for row in range(height)
        for column in range(width)
        for down in reach
        for right in reach
        if 0 <= row + down < height and 0 <= column + right < width and (down, right) > (0, 0)
    }
    assert len(found) == len(expected)
    assert set(found) == expected


def test_flattening_is_undone():
    values = torch.arange(120.0).view(2, 3, 4, 5)
    window = Window(radius=3)
    assert torch.equal(window.unflatten(window.flatten(values), width=5), values)


def test_half_of_the_neighbours_make_the_pairs():
    window = Window(radius=6, step=2)
    assert 2 * len(list(window.pairs(50))) == window.neighbours == 48


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"radius": 0}, "a positive multiple of its step.* got radius 0 and step 1"),
        ({"radius": 3, "step": 2}, "got radius 3 and step 2"),
        ({"radius": 2, "step": 0}, "got radius 2 and step 0"),
        ({"gap": 0.0}, "positive number of metres, got 0.0"),
        ({"gap": float("nan")}, "got nan"),
        ({"gap": float("inf")}, "got inf"),
    ],
)
def test_windows_that_are_none_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Window(**wrong)


def test_only_the_rectangle_with_points_is_worked_on():
    values = torch.full((2, 3, 7, 9), torch.nan)
    values[0, :, 2, 3], values[1, :, 4, 6] = 1.0, 2.0
    shapes = []

    def work(part):
        shapes.append(tuple(part.shape))
        return part[:, :2] + 1

    found = where_seen(work, values, fill=-1.0)
    assert shapes == [(2, 3, 3, 4)]
    assert found.shape == (2, 2, 7, 9)
    assert found[0, :, 2, 3].tolist() == [2.0, 2.0]
    assert found[1, :, 4, 6].tolist() == [3.0, 3.0]
    assert (found == -1).sum() == 2 * 2 * (7 * 9 - 3 * 4)


def test_where_nothing_is_seen_everything_is_filled_in_but_a_pixel():
    found = where_seen(lambda part: part[:, :1], torch.full((1, 3, 4, 5), torch.nan), fill=0.0)
    assert found.shape == (1, 1, 4, 5)
    assert found.isnan().sum() == 1
