"""Scans as features of patches: rows in order, places beside them, and one kind of scan for all parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from anomaly import encoders
from anomaly.detectors import BANKS, CONFIG, part

from latticework.anomaly import M3DMConfig
from latticework.anomaly.banks import OF_COLOUR
from latticework.anomaly.encoders.pretrained import Pretrained
from latticework.anomaly.features import extraction, handcrafted
from latticework.anomaly.features.extraction import describe, patches_of, place_channels, scans_of
from latticework.anomaly.features.form import CHANNELS, form
from latticework.anomaly.features.patch_maps import RIM, inside
from latticework.anomaly.preparation.frames import frame
from latticework.core.errors import InputError

ALL = ("colour", "texture", "geometry", "form")


@pytest.fixture(scope="module")
def trained():
    return Pretrained(vit=encoders.vit(), point_mae=encoders.encoder())


def test_more_of_the_edge_is_left_out_where_a_part_was_told_by_its_colours_with_a_margin(monkeypatch):
    rims = []
    monkeypatch.setattr(extraction, "inside", lambda mask, rim: rims.append(rim) or inside(mask, rim))
    for size, margin in ((64, 1), (224, 2), (400, 3)):
        made = frame(part(0), size)
        for scan, expected in ((made, RIM), (replace(made, xyz=None), RIM + margin)):
            patches_of(scan, ("colour",), CONFIG)
            assert rims.pop() == expected


@pytest.mark.parametrize("bank", ALL)
def test_rows_are_the_features_of_judged_patches_and_their_places(bank):
    described = describe(part(0), ALL, CONFIG)
    made = described.frame
    counted = inside(made.foreground[None])
    scan = (made.rgb if bank in OF_COLOUR else made.xyz)[None]
    where = form(made.xyz[None], made.foreground[None])
    found = where if bank == "form" else getattr(handcrafted, bank)(scan, counted)
    patches = described.patches[bank]
    rows, columns = np.nonzero(patches.judged)
    assert len(rows) == len(patches.rows) > 4
    own = found.features.shape[1]
    np.testing.assert_allclose(patches.rows[:, :own], found.features[0, :, rows, columns].T)
    if bank != "form":
        assert patches.rows.shape[1] == own + CHANNELS
        np.testing.assert_allclose(patches.rows[:, own:], where.features[0, :, rows, columns].T)
    assert patches.rows.dtype == np.float32
    assert patches.rows.flags.c_contiguous


@pytest.mark.parametrize(
    "config", [M3DMConfig(size=64, places=0), M3DMConfig(size=64, mode="paper")], ids=["places=0", "paper"]
)
def test_places_can_be_left_out(config):
    with_places, without = describe(part(0), ALL, CONFIG).patches, describe(part(0), ALL, config).patches
    for bank in ALL[:-1]:
        assert place_channels(bank, config, None) == 0
        assert place_channels(bank, CONFIG, None) == CHANNELS
        assert with_places[bank].rows.shape[1] - without[bank].rows.shape[1] == CHANNELS
    assert without["form"].rows.shape[1] == CHANNELS


def test_the_form_is_not_looked_at_where_nothing_needs_it(monkeypatch):
    monkeypatch.setattr(extraction, "form", None)
    for config in (replace(CONFIG, places=0), replace(CONFIG, mode="paper")):
        assert set(describe(part(0), ("colour", "geometry"), config).patches) == {"colour", "geometry"}


def test_trained_encoders_take_the_place_of_features(trained):
    described = describe(part(0), ("colour", "geometry"), CONFIG, trained)
    assert described.patches["colour"].judged.shape == (8, 8)
    assert described.patches["geometry"].judged.shape == (16, 16)
    expected = trained.colour(described.frame)
    np.testing.assert_allclose(described.patches["colour"].rows.T, expected.features[0][:, expected.judged[0]])
    assert place_channels("colour", CONFIG, trained) == 0
    paper = describe(part(0), ("geometry",), replace(CONFIG, mode="paper"), trained).patches["geometry"]
    dimmed = trained.geometry(described.frame, mode="paper")
    np.testing.assert_allclose(paper.rows.T, dimmed.features[0][:, dimmed.judged[0]])
    assert not np.array_equal(paper.rows, described.patches["geometry"].rows)


def test_nothing_is_tracked_by_autograd():
    found = describe(part(0), BANKS, CONFIG).patches
    assert all(isinstance(patches.rows, np.ndarray) for patches in found.values())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "lacks, bank", [("rgb", "colour"), ("rgb", "texture"), ("xyz", "geometry")], ids=["colour", "texture", "geometry"]
)
def test_what_a_bank_looks_at_has_to_be_there(lacks, bank):
    with pytest.raises(InputError, match=f"part 0 has no {lacks}, which the memory bank for {bank}"):
        describe(part(0, **{lacks: None}), (bank,), CONFIG)


@pytest.mark.parametrize("lacks", ["rgb", "xyz"])
def test_what_good_parts_had_has_to_be_there(lacks):
    sample = part(0, **{lacks: None})
    assert scans_of(sample) == (("xyz",) if lacks == "rgb" else ("rgb",))
    with pytest.raises(InputError, match=f"part 0 has no {lacks}, but the good parts had"):
        describe(sample, ("form",), CONFIG, scans=("rgb", "xyz"))


@pytest.mark.parametrize("has, bank", [("rgb", "colour"), ("xyz", "geometry")])
def test_what_they_did_not_have_is_not_looked_at(has, bank):
    lacks = "xyz" if has == "rgb" else "rgb"
    one = describe(part(1), (bank, "form"), CONFIG, scans=(has,)).patches
    other = describe(part(1, **{lacks: None}, mask=None), (bank, "form"), CONFIG, scans=(has,)).patches
    for name in (bank, "form"):
        assert np.array_equal(one[name].rows, other[name].rows)
        assert np.array_equal(one[name].judged, other[name].judged)
