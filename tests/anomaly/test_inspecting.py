"""What an inspection tells: places, nearest patches, regions, contributions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from anomaly.detectors import CONFIG, cropped, detector, part, parts
from scipy import ndimage

from latticework.anomaly import Inspection, M3DMConfig
from latticework.anomaly.features.extraction import describe
from latticework.anomaly.fusion.decision import METHODS
from latticework.anomaly.synth import CLASS_IDS
from latticework.core.errors import InputError

LARGE = M3DMConfig(size=96)


@pytest.fixture(scope="module")
def whole():
    """Everything that good parts have, and nothing set aside."""
    return detector(coreset=1.0, config=replace(CONFIG, held_out=0)).fit(parts(6))


@pytest.fixture(scope="module")
def model():
    return detector(config=LARGE).fit(parts(12, size=96), validation=parts(4, first=60, size=96))


def shifted(sample, down, right):
    """The same part elsewhere in a larger picture: sizes of pictures differ, and places with them."""
    given = {}
    for name, fill in (("rgb", None), ("xyz", np.nan), ("truth", 0)):
        values = getattr(sample, name)
        pad = ((down, 0), (right, 0)) + ((0, 0),) * (values.ndim - 2)
        given[name] = np.pad(values, pad, "edge") if fill is None else np.pad(values, pad, constant_values=fill)
    return replace(sample, **given)


@pytest.mark.parametrize("number", range(6))
def test_a_part_that_the_banks_hold_is_at_distance_zero(whole, number):
    found = whole.explain(part(number))
    assert np.ptp(found.map) < 1e-6  # at its least, everywhere, but for rounding
    assert found.map.min() <= whole.explain(part(40)).map.min()
    for bank in found.banks:
        assert bank.score == 0
        assert bank.nearest.distance == 0
        assert (bank.nearest.row, bank.nearest.column) == (bank.row, bank.column)
        assert bank.nearest.part == f"part {number}"
    assert found.score == pytest.approx(whole.normal_.layers.image.fuse(np.zeros(3)))


def test_nearest_patches_are_named_in_pixels_of_their_own_picture():
    """Of parts in pictures of several sizes, one that is not square and one that came later."""
    odd = cropped(part(2, size=96), slice(10, 90), slice(0, 96))
    model = detector(coreset=1.0, config=replace(CONFIG, held_out=0)).fit([part(0), part(1, size=96), odd])
    model.partial_fit([part(3, size=128), part(4)])
    assert model.parts_ == ["part 0", "part 1", "part 2", "part 3", "part 4"]
    assert model.fitted_.sizes == [(64, 64), (96, 96), (80, 96), (128, 128), (64, 64)]
    for number, sample in enumerate([part(0), part(1, size=96), odd, part(3, size=128), part(4)]):
        for bank in model.explain(sample).banks:
            assert bank.nearest.part == f"part {number}"
            assert bank.nearest.distance == 0
            assert (bank.nearest.row, bank.nearest.column) == (bank.row, bank.column)


def test_a_picture_of_another_size_than_all_that_were_learnt_is_doubtful(whole):
    assert whole.explain(part(40)).doubt == ""
    larger = whole.explain(part(40, size=96)).doubt
    assert larger == "it is a picture of 96 x 96, those learnt from are 64 x 64: its scale may be another"
    narrow = whole.explain(cropped(part(40), slice(0, 64), slice(4, 60))).doubt
    assert narrow.startswith("it is a picture of 64 x 56, those learnt from are 64 x 64")
    assert whole.explain(cropped(part(40), slice(0, 64), slice(2, 62))).doubt == ""
    mixed = detector(coreset=1.0, config=replace(CONFIG, held_out=0)).fit([part(0), part(1, size=96)])
    assert mixed.explain(part(40, size=80)).doubt == ""
    assert "those learnt from are 64 x 64 to 96 x 96" in mixed.explain(part(40, size=128)).doubt


def test_places_in_another_picture_are_in_pixels_of_that_one():
    wide = cropped(part(0, size=128), slice(32, 96), slice(0, 128))
    model = detector(coreset=1.0, config=replace(CONFIG, held_out=0)).fit([wide])
    assert model.fitted_.sizes == [(64, 128)]
    sample = part(40, "dent")
    judged = model.fitted_.judged(describe(sample, model.seen_, CONFIG))
    for number, bank in enumerate(model.explain(sample).banks):
        _, row, column = model.normal_.memories[bank.bank].where[judged.nearest[number]]
        assert (bank.nearest.row, bank.nearest.column) == ((row * 8 + 4 - 16) * 2, (column * 8 + 4) * 2)


def test_the_worst_patch_is_in_the_middle_of_the_defect(model):
    for defect, bank in (("stain", 0), ("dent", 1), ("bump", 1)):
        hits = 0
        for seed in range(70, 74):
            sample = part(seed, defect, size=96)
            found = model.explain(sample).banks[bank]
            hits += ndimage.binary_dilation(sample.truth > 0, iterations=8)[found.row, found.column]
        assert hits >= 3, defect


def test_places_and_maps_are_in_pixels_of_the_picture(model):
    sample = part(70, "stain", size=96)
    wide = shifted(sample, 0, 40)
    found = model.explain(wide)
    assert found.map.shape == found.foreground.shape == (96, 136)
    assert found.map.dtype == np.float32
    assert found.foreground.dtype == bool
    row, column = np.unravel_index(np.where(found.foreground, found.map, -np.inf).argmax(), found.map.shape)
    assert ndimage.binary_dilation(wide.truth > 0, iterations=10)[
        row, column
    ]  # 5 pixels of the frame of 64 are 7 of the picture


@pytest.mark.parametrize("fusion", METHODS)
def test_contributions_make_up_the_score(fusion):
    model = detector(fusion=fusion).fit(parts(6))
    for sample in (part(30), part(31, "stain"), part(32, "hole")):
        found = model.explain(sample)
        shares = [bank.contribution for bank in found.banks]
        assert found.score == pytest.approx(max(shares) if fusion == "max" else sum(shares))
        assert found.score == model.score_samples([sample])[0]
        assert [bank.bank for bank in found.banks] == list(model.banks_)


def test_regions_are_above_the_threshold_of_maps_and_on_the_part(model):
    for seed, defect in ((70, "dent"), (71, "contamination"), (72, "hole")):
        sample = part(seed, defect, size=96)
        found = model.explain(sample)
        assert found.regions
        above = (found.map > model.map_threshold_.value) & found.foreground
        assert sum(region.pixels for region in found.regions) == (found.marked > 0).sum()
        assert not (found.marked[~above] > 0).any()
        assert np.array_equal(np.unique(found.marked), np.arange(len(found.regions) + 1))
        peaks = [region.peak for region in found.regions]
        assert peaks == sorted(peaks, reverse=True)
        assert peaks[0] == found.map[above].max()
        for region in found.regions:
            window = above[region.top : region.bottom, region.left : region.right]
            assert window.sum() >= region.pixels
            assert region.bank in model.banks_


def test_good_parts_are_without_regions_about_as_often_as_stated(model):
    assert all(not model.explain(sample).regions for sample in parts(4, first=60, size=96)[:1])
    peaks = [model.explain(sample).map for sample in parts(4, first=60, size=96)]
    assert model.map_threshold_.parts == 4
    assert max(heat.max() for heat in peaks) >= model.map_threshold_.value


def test_dents_are_deep_and_bumps_are_high():
    model = detector(("geometry",), config=M3DMConfig(size=224))
    model.fit(parts(6, size=224), validation=parts(3, first=60, size=224))
    told = {"dent": [], "bump": []}
    for defect, depths in told.items():
        for seed in range(70, 74):
            sample = part(seed, defect, size=224)
            worst = model.explain(sample).regions[0]
            assert sample.truth[worst.top : worst.bottom, worst.left : worst.right].any()
            assert worst.bank == "geometry"
            assert worst.area_mm2 > 0
            depths += [] if worst.depth_mm is None else [worst.depth_mm]
    assert len(told["dent"]) >= 2
    assert len(told["bump"]) >= 2
    assert -12 < np.median(told["dent"]) < -1
    assert 1 < np.median(told["bump"]) < 12


def test_stains_are_seen_by_colour(model):
    strongest = []
    for seed in range(70, 74):
        found = model.explain(part(seed, "stain", size=96))
        strongest += [region.bank for region in found.regions[:1]]
    assert strongest.count("colour") >= len(strongest) / 2 > 0


def test_without_points_there_is_no_area(whole):
    model = detector(("colour",)).fit(parts(6, xyz=None))
    found = model.explain(part(30, "combined", xyz=None))
    assert found.regions
    assert {(region.area_mm2, region.depth_mm) for region in found.regions} == {(None, None)}


def test_points_that_are_not_looked_at_still_give_an_area():
    model = detector(("colour",)).fit(parts(6, xyz=None))
    masked = part(30, "combined", xyz=None)
    found = model.explain(part(30, "combined", mask=masked.mask))
    assert found.regions[0].area_mm2 > 0
    assert found.score == model.explain(masked).score


def test_without_parts_set_aside_nothing_is_decided(whole):
    found = whole.explain(part(31, "hole"))
    assert (found.defective, found.regions) == (None, ())
    assert np.isnan(found.p_value)
    assert found.as_dict()["p_value"] is None


def test_only_what_is_in_the_mask_is_judged(model):
    sample = part(71, "contamination", size=96)
    rows, columns = np.nonzero(sample.truth)
    beside = np.ones((96, 96), bool)
    beside[rows.min() - 6 : rows.max() + 7, columns.min() - 6 : columns.max() + 7] = False
    before, after = model.explain(sample), model.explain(replace(sample, mask=beside))
    assert not (after.foreground & ~beside).any()
    assert before.defective
    assert after.score < before.score / 3
    for region in after.regions:
        assert not (sample.truth[region.top : region.bottom, region.left : region.right] == CLASS_IDS["stain"]).any()


def test_a_part_of_which_nothing_can_be_judged_is_not_called_good(model):
    mask = np.zeros((96, 96), bool)
    mask[48:50, 48:50] = True
    for ask in (model.explain, model.score_samples, model.predict, model.transform):
        with pytest.raises(InputError, match="part 71: nothing of it can be judged"):
            ask(part(71, size=96, mask=mask))


def test_p_values_and_decisions_agree(model):
    for sample in (part(70, size=96), part(70, "dent", size=96)):
        found = model.explain(sample)
        assert found.p_value == model.p_values([sample])[0]
        assert found.defective == (found.score > model.threshold_.value) == (model.predict([sample])[0] == -1)
        assert found.defective == (found.p_value <= model.threshold_.certified)


def test_everything_is_ready_for_json(model):
    found = model.explain(part(70, "dent", size=96))
    assert isinstance(found, Inspection)
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["name"] == "dent 70"
    assert told["banks"].keys() == set(model.banks_)
    assert told["regions"][0].keys() >= {"top", "left", "bottom", "right", "pixels", "peak", "bank", "area_mm2"}
