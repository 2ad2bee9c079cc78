import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from latticework.anomaly.preparation.squares import Square


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_a_picture_lies_in_the_middle_of_its_square_and_fills_its_longer_side(height, width, size):
    square = Square(height, width, size)
    down, right = square.box
    assert max(square.rows, square.columns) == size
    assert 0 <= down.start <= down.stop <= size
    assert abs(down.start - (size - down.stop)) <= 1
    assert abs(right.start - (size - right.stop)) <= 1
    assert abs(square.rows / size - height / max(height, width)) <= max(1 / size, 0.5 / size)


@pytest.mark.parametrize("height, width", [(224, 224), (7, 224), (100, 224)])
def test_a_picture_of_the_right_size_stays_as_it_is(height, width):
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    square = Square(height, width, 224)
    assert np.array_equal(square.nearest(rgb, fill=0)[square.box], rgb)
    smooth = square.smooth(rgb)
    assert torch.equal((smooth[:, *square.box] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(rgb))
    maps = torch.rand(2, 224, 224)
    assert torch.equal(square.restored(maps), maps[:, *square.box])


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_the_nearest_value_is_the_one_at_the_middle_of_the_pixel(height, width, size):
    square = Square(height, width, size)
    values = np.arange(1, height * width + 1).reshape(height, width)
    found = square.nearest(values, fill=0)
    down, right = square.box
    for row in (0, square.rows // 2, square.rows - 1):
        for column in (0, square.columns - 1):
            middle = int((row + 0.5) / square.rows * height), int((column + 0.5) / square.columns * width)
            assert found[down.start + row, right.start + column] == values[middle]
    assert (found > 0).sum() == square.rows * square.columns


def test_colours_are_made_smaller_as_pillow_makes_them():
    rgb = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(rgb).resize((40, 30), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    square = Square(90, 120, 40)
    found = square.smooth(rgb)[:, *square.box].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() < 1.5 / 255  # it rounds in between


def test_colours_go_on_beside_the_picture_and_stay_in_their_range():
    rgb = np.where(np.arange(20)[:, None, None] < 10, 0, 255).repeat(40, axis=1).repeat(3, axis=2).astype(np.uint8)
    found = Square(20, 40, 100).smooth(rgb)
    assert found.shape == (3, 100, 100)
    assert (found.min().item(), found.max().item()) == (0, 1)
    assert (found[:, 0] == found[:, 25]).all()
    assert found[:, -1].min() > 0.999


@pytest.mark.parametrize("height, width", [(300, 400), (40, 30), (224, 97)])
def test_a_map_that_was_brought_back_has_its_places(height, width):
    square = Square(height, width, 224)
    row, column = np.mgrid[:height, :width].astype(np.float32)
    slope = square.nearest(row / height + column / width, fill=np.nan)
    back = square.restored(torch.from_numpy(slope))
    assert back.shape == (height, width)
    assert np.abs(back.numpy() - (row / height + column / width)).max() < 2.5 / min(square.rows, square.columns, width)
    assert square.restored(torch.ones(2, 3, 224, 224)).shape == (2, 3, height, width)


def test_a_very_long_picture_takes_no_more_memory_than_its_square():
    square = Square(1, 2_000_000, 8)
    assert square.smooth(np.zeros((1, 2_000_000, 3), dtype=np.uint8)).shape == (3, 8, 8)
    assert square.nearest(np.ones((1, 2_000_000), dtype=bool), fill=False).sum() == 8
