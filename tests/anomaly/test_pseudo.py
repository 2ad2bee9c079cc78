"""Pseudo-defects stay on the part, where they say they are, and spoil only what they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from anomaly.detectors import part

from latticework.anomaly.fusion import pseudo
from latticework.anomaly.fusion.pseudo import DEPTHS, KINDS, pseudo_defects
from latticework.anomaly.preparation.frames import frame
from latticework.anomaly.scans.samples import Sample


@pytest.fixture(scope="module", params=range(4))
def made(request):
    return frame(part(request.param), 64)


def only(monkeypatch, kind):
    """Let all defects be of one kind, drawn as the others would be."""
    monkeypatch.setattr(pseudo, "KINDS", (kind,))


def changed(before, after):
    return ((before != after) & ~(before.isnan() & after.isnan())).any(0).numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_defects_are_on_the_part_and_where_they_are_said_to_be(made, monkeypatch, kind, seed):
    only(monkeypatch, kind)
    rgb, xyz = made.rgb.clone(), made.xyz.clone()
    spoilt, where = pseudo_defects(made, seed)
    assert torch.equal(made.rgb, rgb)
    assert torch.equal(made.xyz.nan_to_num(), xyz.nan_to_num())
    assert where.any()
    assert not where[~made.foreground.numpy()].any()
    colours, points = changed(made.rgb, spoilt.rgb), changed(made.xyz, spoilt.xyz)
    spoilt_what, untouched = (points, colours) if kind == "dent" else (colours, points)
    assert not untouched.any()
    assert spoilt_what.any()
    assert not spoilt_what[~made.foreground.numpy()].any()
    assert (where & spoilt_what).sum() > 0.5 * where.sum() * (0 if kind == "piece" else 1)
    assert spoilt.square == made.square
    assert torch.equal(spoilt.foreground, made.foreground)


@pytest.mark.parametrize("seed", range(8))
def test_dents_move_points_along_the_line_of_sight_by_some_millimetres(made, monkeypatch, seed):
    only(monkeypatch, "dent")
    spoilt, where = pseudo_defects(made, seed)
    before, after = made.xyz.numpy().astype(np.float64), spoilt.xyz.numpy().astype(np.float64)
    assert np.array_equal(np.isnan(before), np.isnan(after))
    known = ~np.isnan(before[0])
    across = np.cross(np.moveaxis(before, 0, -1), np.moveaxis(after, 0, -1))[known]
    assert np.abs(across).max() < 1e-6
    seen = before[:, made.foreground.numpy()]
    extent = (np.nanmax(seen, 1) - np.nanmin(seen, 1))[:2].max()
    moved = np.abs(after - before)[2]
    assert 0.3 * DEPTHS[0] * extent < np.nanmax(moved) < 1.05 * DEPTHS[1] * extent
    assert np.nanmedian(np.where(where, moved, np.nan)) > 5 * np.nanmean(moved[~where])


def test_beside_a_blot_hardly_anything_changes(made, monkeypatch):
    only(monkeypatch, "blot")
    for seed in range(5):
        spoilt, where = pseudo_defects(made, seed)
        change = (spoilt.rgb - made.rgb).abs().amax(0).numpy()
        assert change[~where].max() < 0.25
        assert change[where].mean() > 10 * change[~where].mean()


def test_a_piece_comes_from_the_part_itself(made, monkeypatch):
    only(monkeypatch, "piece")
    flat = replace(made, rgb=made.rgb.mean((1, 2), keepdim=True).expand_as(made.rgb).contiguous())
    spoilt, _ = pseudo_defects(flat, 0)
    torch.testing.assert_close(spoilt.rgb, flat.rgb)


@pytest.mark.parametrize("columns", [slice(0, 20), slice(44, 64)], ids=["left", "right"])
def test_the_middle_of_a_piece_is_never_from_beside_the_part(monkeypatch, columns):
    only(monkeypatch, "piece")
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[12:52, columns] = True
    lit = replace(frame(part(0), 64), rgb=inside.float().expand(3, -1, -1), foreground=inside)
    spots, spot = [], pseudo._spot
    monkeypatch.setattr(pseudo, "_spot", lambda *given, **how: spots.append(spot(*given, **how)) or spots[-1])
    for seed in range(20):
        spoilt, _ = pseudo_defects(lit, seed)
        row, column = np.unravel_index(np.argmax(spots.pop()), (64, 64))
        assert spoilt.rgb[:, row, column].tolist() == [1, 1, 1]


def test_all_kinds_come_and_each_seed_has_its_own(made):
    kinds = set()
    for seed in range(12):
        spoilt, where = pseudo_defects(made, seed)
        again, there = pseudo_defects(made, seed)
        assert torch.equal(spoilt.rgb, again.rgb)
        assert np.array_equal(where, there)
        kinds.add(bool(changed(made.xyz, spoilt.xyz).any()))
    assert kinds == {True, False}
    assert not np.array_equal(pseudo_defects(made, 0)[1], pseudo_defects(made, 1)[1])


@pytest.mark.parametrize("lacks", ["rgb", "xyz"])
def test_what_is_not_there_is_not_spoilt(lacks):
    made = frame(part(2, **{lacks: None}), 64)
    has = "xyz" if lacks == "rgb" else "rgb"
    for seed in range(6):
        spoilt, where = pseudo_defects(made, seed)
        assert getattr(spoilt, lacks) is None
        assert changed(getattr(made, has), getattr(spoilt, has)).any()
        assert where.any()


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_one_pixel_get_one_too(monkeypatch, kind):
    only(monkeypatch, kind)
    mask = np.zeros((64, 64), bool)
    mask[30, 31] = True
    made = frame(part(0, mask=mask), 64)
    spoilt, where = pseudo_defects(made, 0)
    assert where.any()
    assert spoilt.rgb.isfinite().all()


def test_parts_without_a_point_are_no_trouble(monkeypatch):
    only(monkeypatch, "dent")
    mask, xyz = np.zeros((64, 64), bool), part(0).xyz.copy()
    mask[22:38, 22:38], xyz[20:40, 20:40] = True, np.nan
    with pytest.warns(UserWarning, match="outside the mask"):
        made = frame(part(0, xyz=xyz, mask=mask), 64)
    spoilt, where = pseudo_defects(made, 0)
    assert spoilt.xyz.isnan().all()
    assert where.any()


def test_pictures_that_are_all_part():
    with pytest.warns(UserWarning, match="whole picture"):
        made = frame(Sample.of(rgb=np.random.default_rng(0).random((64, 64, 3))), 64)
    assert made.foreground.all()
    assert all(pseudo_defects(made, seed)[1].any() for seed in range(5))
