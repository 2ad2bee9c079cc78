import numpy as np
import pytest
import torch
from anomaly.grounds import disc, overlap, table

from latticework.anomaly.preparation.frames import frames
from latticework.anomaly.preparation.squares import Square
from latticework.anomaly.scans.samples import Sample
from latticework.core.errors import InputError

PART = disc(240, 320, 120, 150, 60)
XYZ = table(240, 320, heights=np.where(PART, 0.02, 0.0))
RGB = np.where(PART[..., None], np.uint8(60), np.uint8(200)).repeat(3, axis=2)


def test_frames_are_what_extractors_read():
    made = frames([Sample.of(rgb=RGB, xyz=XYZ), Sample.of(rgb=RGB[:200], xyz=XYZ[:200])])
    assert len(made) == 2
    assert (made.rgb.shape, made.rgb.dtype) == ((2, 3, 224, 224), torch.float32)
    assert (made.xyz.shape, made.xyz.dtype) == ((2, 3, 224, 224), torch.float32)
    assert (made.foreground.shape, made.foreground.dtype) == ((2, 224, 224), torch.bool)
    assert made.squares == (Square(240, 320, 224), Square(200, 320, 224))
    assert made.doubts == ("", "")
    assert 0 <= made.rgb.min() < made.rgb.max() <= 1


def test_points_are_of_the_part_alone_and_none_is_new():
    made = frames([Sample.of(xyz=XYZ)])
    points = made.xyz[0].permute(1, 2, 0)
    there = ~torch.isnan(points[..., 2])
    assert not (there & ~made.foreground[0]).any()
    assert (there[made.foreground[0]]).float().mean() > 0.99
    known = {tuple(point) for point in XYZ[~np.isnan(XYZ[..., 2])].tolist()}
    assert all(tuple(point) in known for point in points[there].tolist())
    assert made.rgb is None


def test_the_foreground_brought_back_is_where_the_part_is():
    for sample, least in ((Sample.of(xyz=XYZ), 0.96), (Sample.of(rgb=RGB), 0.88)):  # around colours is a margin
        made = frames([sample])
        back = made.squares[0].restored(made.foreground[0].float()) > 0.5
        assert overlap(back.numpy(), PART) > least


def test_of_small_scans_the_part_is_found_before_they_are_made_larger():
    part = disc(100, 120, 50, 60, 25)
    made = frames([Sample.of(xyz=table(100, 120, heights=np.where(part, 0.02, 0), noise=0, missing=0))])
    expected = Square(100, 120, 224).nearest(part, fill=False)
    assert np.array_equal(made.foreground[0].numpy(), expected)


def test_a_mask_limits_the_foreground_at_any_size():
    mask = np.zeros((240, 320), dtype=bool)
    mask[:, :150] = True
    made = frames([Sample.of(xyz=XYZ, mask=mask)], 64)
    assert np.array_equal(
        made.foreground[0].numpy() & ~Square(240, 320, 64).nearest(mask, fill=False), np.zeros((64, 64))
    )


def test_what_cannot_be_told_apart_is_said_once():
    plain = Sample.of(rgb=np.full((50, 50, 3), 7, dtype=np.uint8))
    with pytest.warns(UserWarning, match="no background can be told") as warned:
        made = frames([plain, Sample.of(rgb=RGB), plain])
    assert [str(each.message).split(": ")[0] for each in warned] == ["sample", "1 more part"]
    assert [bool(doubt) for doubt in made.doubts] == [True, False, True]
    assert made.foreground[0].all()


def test_samples_that_do_not_go_together_are_refused():
    both, colour = Sample.of(rgb=RGB, xyz=XYZ, name="both"), Sample.of(rgb=RGB, name="colour")
    for samples in ([both, colour], [colour, both]):
        with pytest.raises(InputError, match="colour has no xyz, but both has: give it for all or for none"):
            frames(samples)
    with pytest.raises(InputError, match="there are no samples"):
        frames([])
    with pytest.raises(InputError, match="size=0"):
        frames([colour], 0)
    with pytest.raises(InputError, match="pieces=2"):
        frames([colour], pieces=2)


def test_what_is_too_small_to_be_seen_at_that_size_is_refused():
    few = np.full((240, 320, 3), np.nan, dtype=np.float32)
    few[1, 1:5] = XYZ[100, 100:104]
    with pytest.raises(InputError, match="a: of its few points none is left at 16 x 16"):
        frames([Sample.of(xyz=few, name="a")], 16)
    mask = np.zeros((240, 320), dtype=bool)
    mask[1, 1] = True
    with pytest.raises(InputError, match="a: of its mask nothing is left at 16 x 16"):
        frames([Sample.of(rgb=RGB, mask=mask, name="a")], 16)
