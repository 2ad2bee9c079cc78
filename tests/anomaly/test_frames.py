import numpy as np
import pytest
import torch
from anomaly.grounds import disc, overlap, table

from latticework.anomaly.preparation.frames import frame
from latticework.anomaly.preparation.squares import Square
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError

PART = disc(240, 320, 120, 150, 60)
XYZ = table(240, 320, heights=np.where(PART, 0.02, 0.0))
RGB = np.where(PART[..., None], np.uint8(60), np.uint8(200)).repeat(3, axis=2)


def test_a_frame_is_what_extractors_read():
    for rows in (240, 200):
        made = frame(Sample.of(rgb=RGB[:rows], xyz=XYZ[:rows]))
        assert (made.rgb.shape, made.rgb.dtype) == ((3, 224, 224), torch.float32)
        assert (made.xyz.shape, made.xyz.dtype) == ((3, 224, 224), torch.float32)
        assert (made.foreground.shape, made.foreground.dtype) == ((224, 224), torch.bool)
        assert made.square == Square(rows, 320, 224)
        assert made.doubt == ""
        assert 0 <= made.rgb.min() < made.rgb.max() <= 1


def test_points_are_of_the_part_alone_and_none_is_new():
    made = frame(Sample.of(xyz=XYZ))
    points = made.xyz.permute(1, 2, 0)
    there = ~torch.isnan(points[..., 2])
    assert not (there & ~made.foreground).any()
    assert (there[made.foreground]).float().mean() > 0.99
    known = {tuple(point) for point in XYZ[~np.isnan(XYZ[..., 2])].tolist()}
    assert all(tuple(point) in known for point in points[there].tolist())
    assert made.rgb is None


def test_the_foreground_brought_back_is_where_the_part_is():
    for sample, least in ((Sample.of(xyz=XYZ), 0.96), (Sample.of(rgb=RGB), 0.88)):  # around colours is a margin
        made = frame(sample)
        back = made.square.restored(made.foreground.float()) > 0.5
        assert overlap(back.numpy(), PART) > least


def test_of_small_scans_the_part_is_found_before_they_are_made_larger():
    part = disc(100, 120, 50, 60, 25)
    made = frame(Sample.of(xyz=table(100, 120, heights=np.where(part, 0.02, 0), noise=0, missing=0)))
    expected = Square(100, 120, 224).nearest(part, fill=False)
    assert np.array_equal(made.foreground.numpy(), expected)


def test_a_mask_limits_the_foreground_at_any_size():
    mask = np.zeros((240, 320), dtype=bool)
    mask[:, :150] = True
    made = frame(Sample.of(xyz=XYZ, mask=mask), 64)
    assert np.array_equal(made.foreground.numpy() & ~Square(240, 320, 64).nearest(mask, fill=False), np.zeros((64, 64)))


def test_what_cannot_be_told_apart_is_said():
    with pytest.warns(UserWarning, match="^plain: .*no background can be told") as warned:
        made = frame(Sample.of(rgb=np.full((50, 50, 3), 7, dtype=np.uint8), name="plain"))
    assert warned[0].message.args == (f"plain: {made.doubt}",)
    assert made.foreground.all()


def test_sizes_and_pieces_that_cannot_be_are_refused():
    for wrong, told in (({"size": 0}, "size=0"), ({"pieces": 2}, "pieces=2")):
        with pytest.raises(InputError, match=told):
            frame(Sample.of(rgb=RGB), **wrong)


def test_what_is_too_small_to_be_seen_at_that_size_is_refused():
    few = np.full((240, 320, 3), np.nan, dtype=np.float32)
    few[1, 1:5] = XYZ[100, 100:104]
    with pytest.raises(InputError, match="a: of its few points none is left at 16 x 16"):
        frame(Sample.of(xyz=few, name="a"), 16)
    mask = np.zeros((240, 320), dtype=bool)
    mask[1, 1] = True
    with pytest.raises(InputError, match="a: of its mask nothing is left at 16 x 16"):
        frame(Sample.of(rgb=RGB, mask=mask, name="a"), 16)
