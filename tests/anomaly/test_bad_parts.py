"""Bad input, at the level of the estimator: each kind is refused in words, or dealt with as told."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from anomaly.detectors import SIZE, cropped, detector, part, parts
from cases import assert_same

import latticework as lw
from latticework.anomaly import Sample
from latticework.anomaly.cli_answers import explanation_lines
from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.features.extraction import describe
from latticework.anomaly.held_out import HeldOut
from latticework.anomaly.scans.arrays import write_xyz
from latticework.core.errors import InputError

image_module = pytest.importorskip("PIL.Image")
pytest.importorskip("tifffile")

ALL = ("colour", "texture", "geometry", "form")


@pytest.fixture(scope="module")
def model():
    return detector(ALL).fit(parts(8), validation=parts(3, first=50))


@pytest.fixture(scope="module")
def colours():
    return detector(None).fit(parts(8, xyz=None), validation=parts(3, first=50, xyz=None))


@pytest.fixture(scope="module")
def points():
    return detector(None).fit(parts(8, rgb=None), validation=parts(3, first=50, rgb=None))


def finite(found):
    return (
        np.isfinite(found.score) and np.isfinite(found.map).all() and np.isfinite([b.score for b in found.banks]).all()
    )


def save(path, sample, stem="000", mode=None):
    for kind in ("rgb", "xyz"):
        (path / kind).mkdir(parents=True, exist_ok=True)
    picture = image_module.fromarray(sample.rgb)
    (picture if mode is None else picture.convert(mode)).save(path / f"rgb/{stem}.png")
    write_xyz(path / f"xyz/{stem}.tiff", sample.xyz)


# No return


@pytest.mark.parametrize("nothing", [0.0, np.nan, np.inf, -np.inf], ids=str)
def test_every_way_to_say_that_nothing_returned_means_the_same(model, nothing):
    xyz = part(30).xyz.copy()
    lost = np.isnan(xyz[..., 2]) | (np.random.default_rng(0).random(xyz.shape[:2]) < 0.05)
    expected, given = xyz.copy(), xyz.copy()
    expected[lost], given[lost] = np.nan, nothing
    assert model.score_samples([part(30, xyz=given)]) == model.score_samples([part(30, xyz=expected)])
    assert finite(model.explain(part(30, xyz=given)))


def test_one_coordinate_that_is_zero_is_no_lost_point(model):
    sample = part(30)
    turned = sample.xyz.copy()
    turned[..., 0] -= np.nanmedian(turned[..., 0])
    turned[20:40, 20:40, 0] = 0.0  # a plane through the optical axis is no hole
    assert Sample.of(xyz=turned).returned[20:40, 20:40].sum() == sample.returned[20:40, 20:40].sum()


def test_many_lost_points_are_seen_by_geometry(model):
    xyz = part(30).xyz.copy()
    middle = np.argwhere(~np.isnan(xyz[..., 2])).mean(0).astype(int)
    xyz[middle[0] - 5 : middle[0] + 6, middle[1] - 5 : middle[1] + 6] = np.nan
    before, after = (model.explain(part(30, xyz=points)) for points in (part(30).xyz, xyz))
    assert finite(after)
    assert after.banks[2].score > before.banks[2].score


@pytest.mark.parametrize("nothing", [0.0, np.nan])
def test_clouds_without_a_point_are_refused(nothing):
    with pytest.raises(InputError, match="no point returned"):
        part(0, xyz=np.full((SIZE, SIZE, 3), nothing))


def test_a_handful_of_points_is_no_part_that_could_be_judged(model):
    xyz = np.full((SIZE, SIZE, 3), np.nan, np.float32)
    seen = np.argwhere(~np.isnan(part(30).xyz[..., 2]))[::400]
    xyz[seen[:, 0], seen[:, 1]] = part(30).xyz[seen[:, 0], seen[:, 1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the part cannot be told from its ground
        with pytest.raises(InputError, match="part 30: nothing of it can be judged"):
            model.explain(part(30, xyz=xyz))


# Units


def test_millimetres_are_told_from_metres(model):
    sample = part(30)
    wrong = sample.xyz * 1000
    with pytest.warns(UserWarning, match="more than 10 m.*unit mm"):
        part(30, xyz=wrong)
    told = part(30, xyz=wrong, unit="mm")
    np.testing.assert_allclose(model.score_samples([told]), model.score_samples([sample]), rtol=1e-2)
    with pytest.warns(UserWarning, match="less than 1 mm"):
        part(30, xyz=sample.xyz / 1000)


def test_points_in_another_unit_than_those_learnt_are_no_good_part(model):
    with pytest.warns(UserWarning, match="more than 10 m"):
        wrong = part(30, xyz=part(30).xyz * 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = model.explain(wrong)
    assert finite(found)
    assert found.defective


# What is there


def test_sizes_of_colours_and_points_have_to_be_one():
    with pytest.raises(InputError, match="rgb is 64 x 64 and xyz 32 x 32"):
        part(0, xyz=part(0, size=32).xyz)
    with pytest.raises(InputError, match="mask 32 x 64"):
        part(0, mask=np.ones((SIZE, 32)))


def test_nothing_is_no_part():
    with pytest.raises(InputError, match="neither colours nor points"):
        Sample.of(name="nothing")


@pytest.mark.parametrize("lacks, bank", [("rgb", "colour"), ("xyz", "geometry")])
def test_what_the_good_parts_had_may_not_be_missing(model, lacks, bank):
    sample = part(30, **{lacks: None})
    for ask in (model.explain, lambda lone: model.predict([lone]), lambda lone: model.predict_map([lone])):
        with pytest.raises(InputError, match=f"part 30 has no {lacks}, which the memory bank for {bank}"):
            ask(sample)


@pytest.mark.parametrize("banks", [("colour",), ("form",), ("colour", "texture", "form")])
def test_points_are_needed_even_by_banks_of_colours_if_parts_had_them(banks):
    """By them the part was told from its ground, and its patches have places: other ones would be defects."""
    model = detector(banks).fit(parts(4))
    assert model.scans_ == ("rgb", "xyz")
    with pytest.raises(InputError, match="part 30 has no xyz, but the good parts had"):
        model.explain(part(30, xyz=None))
    found = model.evaluate([part(31), part(30, xyz=None), part(40, "stain")])
    assert list(found.failed) == ["part 30"]


@pytest.mark.parametrize("first", [0, 1])
def test_good_parts_are_all_alike(first):
    given = [part(0), part(1, xyz=None), part(2)]
    given = given if first else [given[1], given[0], given[2]]
    for banks in (("colour",), None):
        with pytest.raises(InputError, match="xyz"):
            detector(banks).fit(given, validation=parts(1, first=50))
    with pytest.raises(InputError, match="xyz"):
        detector(("colour",)).fit(parts(2), validation=[part(3, xyz=None)])
    with pytest.raises(InputError, match="give it for all or for none"):
        detector(("colour",)).fit(parts(2, xyz=None), validation=[part(3)])
    with pytest.raises(InputError, match="give it for all or for none"):
        detector(("colour",)).fit(parts(2, xyz=None)).partial_fit([part(3)])


def test_colours_alone(colours):
    assert colours.banks_ == ("colour", "texture", "form")
    assert colours.scans_ == ("rgb",)
    good = colours.score_samples(parts(4, first=30, xyz=None))
    bad = colours.score_samples([part(seed, "contamination", xyz=None) for seed in range(40, 44)])
    assert np.median(bad) > np.median(good)
    mask = part(40, "contamination", xyz=None).mask
    found = colours.explain(part(40, "contamination", mask=mask))  # points that the good parts did not have
    assert finite(found)
    assert found.score == bad[0]


def test_points_alone(points):
    assert points.banks_ == ("geometry", "form")
    assert points.scans_ == ("xyz",)
    good = points.score_samples(parts(4, first=30, rgb=None))
    bad = points.score_samples([part(seed, kind, rgb=None) for kind in ("dent", "hole") for seed in range(40, 42)])
    assert bad.min() > good.max()
    found = points.explain(part(40, "hole", rgb=None))
    assert found.defective
    assert points.score_samples([part(40, "hole")]) == found.score


def test_banks_for_what_is_not_there_are_refused():
    with pytest.raises(InputError, match="part 0 does not have what the memory bank for geometry"):
        detector(("colour", "geometry")).fit(parts(3, xyz=None))
    with pytest.raises(InputError, match="memory bank for colour"):
        detector(("colour",)).fit(parts(3, rgb=None))


def test_a_stain_is_seen_by_colours_and_a_dent_by_points(colours, points):
    def gap(model, kind, **lacks):
        bad = model.score_samples([part(seed, kind, **lacks) for seed in range(40, 44)])
        return np.median(bad) - np.median(model.score_samples([part(seed, **lacks) for seed in range(40, 44)]))

    assert abs(gap(points, "stain", rgb=None)) < 1e-6  # paint has no shape: the scans are the same
    assert gap(colours, "combined", xyz=None) > 0.5
    assert gap(points, "dent", rgb=None) > 50


# Pictures


def test_kinds_of_pictures_mean_the_same(model, tmp_path):
    sample = part(30)
    expected = model.score_samples([sample])
    deep = sample.rgb.astype(np.uint16) * 257
    clear = np.concatenate([sample.rgb, np.full((SIZE, SIZE, 1), 255, np.uint8)], axis=2)
    for rgb in (deep, clear, sample.rgb / 255):
        assert model.score_samples([part(30, rgb=rgb)]) == expected
    save(tmp_path / "plain", sample)
    save(tmp_path / "clear", sample, mode="RGBA")
    scores = model.score_samples([tmp_path / kind / "rgb/000.png" for kind in ("plain", "clear")])
    assert scores.tolist() == [expected[0], expected[0]]


def test_grey_pictures_are_learnt_like_others(tmp_path):
    for number in range(5):
        save(tmp_path, part(number), f"{number:03}", mode="L")
    model = detector(("colour", "texture", "geometry")).fit(tmp_path)
    assert finite(model.explain(part(30)))
    grey = part(30).rgb.mean(2).astype(np.uint8)
    assert model.score_samples([part(30, rgb=grey)])[0] < model.score_samples([part(30)])[0]


def test_pictures_of_many_sizes_are_brought_to_one():
    given = [part(0), part(1, size=96), cropped(part(2), slice(0, 64), slice(0, 60)), part(3, size=130)]
    model = detector(ALL).fit(given, validation=parts(2, first=50))
    for sample in (*given, part(40, "hole", size=100), cropped(part(41, size=80), slice(4, 80), slice(0, 80))):
        found = model.explain(sample)
        assert finite(found)
        assert found.map.shape == found.foreground.shape == sample.size
    scores = model.score_samples([part(30), part(30, size=128), part(40, "hole"), part(40, "hole", size=128)])
    assert max(scores[:2]) < min(scores[2:])


@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_colours_are_no_trouble_and_others_are_seen(level):
    flat = np.full((SIZE, SIZE, 3), level, np.uint8)
    model = detector(ALL).fit(parts(5, rgb=flat), validation=parts(2, first=50, rgb=flat))
    good, bad = model.explain(part(30, rgb=flat)), model.explain(part(40, "hole", rgb=flat))
    assert finite(good)
    assert finite(bad)
    assert bad.score > good.score
    spotted = flat.copy()
    spotted[30:36, 30:36] = 255 - level if level != 128 else 0
    stained = model.explain(part(30, rgb=spotted))
    assert finite(stained)
    assert stained.score > good.score


def test_a_part_cannot_be_learnt_from_and_certify():
    same = [replace(part(0), name=f"copy {number}") for number in range(6)]
    with pytest.raises(InputError, match=r"copy \d, which is set aside, .* are the same scan"):
        detector(ALL).fit(same)
    with pytest.raises(InputError, match="the parts copy 0 and copy 1 are the same scan, set aside twice"):
        detector(ALL).fit(parts(3, first=10), validation=same[:2])
    model = detector(ALL).fit(parts(3, first=10), validation=same[:1])
    with pytest.raises(InputError, match=r"copy 0, which was set aside|copy 0 and copy 1 are the same scan"):
        model.partial_fit([same[1], part(14)])
    with pytest.raises(InputError, match=r"the part copy 0 was set aside before|copy 0 and copy 0 are the same scan"):
        model.partial_fit([same[0], part(14)])


def test_both_names_of_a_scan_that_is_given_twice_are_told():
    seen = describe(replace(part(0), name="4"), ("colour",), M3DMConfig(size=SIZE))
    with pytest.raises(
        InputError, match="the part 4, which is set aside, and the part 2, which is learnt from, are the"
    ):
        HeldOut().joined([seen], {seen.digest: "2"})
    with pytest.raises(InputError, match="the part 4 was set aside before: "):
        HeldOut(digests={seen.digest: "4"}).refuse(seen)
    with pytest.raises(InputError, match="the part 4 is the same scan as the part 2, which was set aside before: "):
        HeldOut(digests={seen.digest: "2"}).refuse(seen)


def test_parts_that_are_all_the_same_are_learnt_too():
    same = [replace(part(0), name=f"copy {number}") for number in range(6)]
    model = detector(ALL).fit(same, validation=parts(2, first=50))
    found = model.explain(part(0))
    assert finite(found)
    assert model.explain(part(40, "hole")).score > 10 * max(found.score, 1)


def test_a_part_without_any_shape_is_no_trouble():
    rows, columns = np.mgrid[:SIZE, :SIZE] * 0.001
    flat = np.stack([columns, rows, np.full((SIZE, SIZE), 0.5)], axis=2)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[8:56, 8:56] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = detector(ALL).fit([part(seed, xyz=flat, mask=mask) for seed in range(4)])
        for seed in range(30, 33):
            assert finite(model.explain(part(seed, xyz=flat, mask=mask)))


def test_a_flat_part_is_learnt():
    rows, columns = np.mgrid[:SIZE, :SIZE] * 0.001
    flat = np.stack([columns, rows, np.full((SIZE, SIZE), 0.5)], axis=2)
    generator = np.random.default_rng(0)
    noise = generator.integers(90, 110, (5, SIZE, SIZE, 3), np.uint8)
    deep = np.array([0, 0, 2e-5]) * generator.standard_normal((5, SIZE, SIZE, 1))
    mask = np.zeros((SIZE, SIZE), bool)
    mask[8:56, 8:56] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = detector(ALL).fit(
            [Sample.of(rgb=rgb, xyz=flat + far, mask=mask, name="flat") for rgb, far in zip(noise, deep, strict=True)]
        )
        dented = flat + deep[0]
        dented[24:40, 24:40, 2] += 0.003
        good, bad = (model.explain(Sample.of(rgb=noise[0], xyz=xyz, mask=mask)) for xyz in (flat + deep[1], dented))
    assert finite(good)
    assert finite(bad)
    assert bad.score > good.score


# Few parts


def test_a_single_part_is_learnt_without_a_threshold():
    model = detector(None).fit([part(0)])
    assert model.threshold_ is None
    assert model.parts_ == ["part 0"]
    good, bad = model.explain(part(30)), model.explain(part(40, "hole"))
    assert finite(good)
    assert good.defective is None
    assert bad.score > good.score
    with pytest.raises(InputError, match=r"^no good part certifies a threshold: "):
        model.predict([part(30)])


def test_of_two_parts_one_is_set_aside_and_hardly_certifies_anything():
    model = detector(None).fit(parts(2))
    assert len(model.parts_) == model.threshold_.parts == 1
    assert model.threshold_.certified == 0.5
    assert "that takes 19" in model.threshold_.about()
    assert set(model.predict([part(30), part(40, "hole")]).tolist()) <= {-1, 1}


def test_one_entry_a_bank_is_enough():
    model = detector(ALL, coreset=1e-6).fit(parts(3))
    assert {len(memory) for memory in model.normal_.memories.values()} == {1}
    assert finite(model.explain(part(30)))


# Where to look


def test_good_parts_with_masks_are_learnt_in_them():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[:, :36] = True
    model = detector(ALL).fit(parts(5, mask=mask), validation=parts(2, first=50, mask=mask))
    for memory in model.normal_.memories.values():
        assert memory.where[:, 2].max() <= 36 // 8
    found = model.explain(part(30, mask=mask))
    assert not found.foreground[:, 36:].any()


def test_banks_that_judge_nothing_of_a_part_do_not_make_it_better_than_good_ones():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[27:37, 27:37] = True
    model = detector(ALL, fusion="zsum").fit(parts(8), validation=parts(3, first=50))
    found = model.evaluate([*parts(4, first=60), part(60, mask=mask)])
    assert [np.count_nonzero(found.bank_scores[bank]) for bank in ALL] == [4, 4, 4, 5]
    assert found.scores[4] > found.scores[:4].min() - 10
    inspected = model.explain(part(60, mask=mask))
    assert finite(inspected)
    assert inspected.doubt == "nothing of it could be judged by colour, texture, geometry"
    json.dumps([found.as_dict(), inspected.as_dict()], allow_nan=False)
    places = [bank["place"] for bank in inspected.as_dict()["banks"].values()]
    assert places == [None, None, None, [inspected.banks[3].row, inspected.banks[3].column]]
    lines = explanation_lines(inspected)[-5:-1]
    for bank, line in zip(ALL, lines, strict=True):
        assert re.match(f"{bank}: .*; (nothing|worst)", line)[1] == ("worst" if bank == "form" else "nothing")
    assert lines[0].endswith("; nothing of it could be judged")
    whole, rest = model.transform([part(60), part(60, mask=mask)])
    form = model.normal_.memories["form"].features.shape[1]
    assert not np.isnan([*whole, *rest[-form:]]).any(), "the last bank is that for form"
    assert np.isnan(rest[:-form]).all()


def test_masks_that_leave_nothing_to_learn_are_told():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[32, 32] = True
    with pytest.raises(InputError, match="nothing of them lies in the foreground"):
        detector(ALL).fit(parts(3, mask=mask))
    with pytest.raises(InputError, match="mask"):
        part(0, mask=np.zeros((SIZE, SIZE)))


def test_good_parts_of_which_nothing_can_be_judged_are_left_out_and_certify_nothing(capsys):
    mask = np.zeros((SIZE, SIZE), bool)
    mask[31:34, 31:34] = True
    given, aside = [part(1, mask=mask), part(0), part(2)], [part(50, mask=mask), part(51)]
    fitted = detector(ALL).fit(given, validation=aside)
    expected = detector(ALL).fit(given[1:], validation=aside[1:])
    assert_same(fitted.explain(part(30)), expected.explain(part(30)))
    assert fitted.parts_ == ["part 0", "part 2"]
    assert {number for memory in fitted.normal_.memories.values() for number in memory.where[:, 0]} == {0, 1}
    assert fitted.threshold_.parts == fitted.map_threshold_.parts == 1
    told = ": nothing of it can be judged: too few of its pixels belong to the part, or its mask leaves too little"
    assert fitted.report_ == [f"part 1 was left out{told}", f"part 50 was left out{told}"]
    for ask in (fitted.transform_patches, fitted.explain, lambda sample: fitted.transform([sample])):
        with pytest.raises(InputError, match=f"^part 50{told}$"):
            ask(aside[0])
    with lw.progress.showing():
        fitted.partial_fit([part(3), part(4, mask=mask), part(5, mask=mask), part(6, mask=mask)])
    assert fitted.parts_ == ["part 0", "part 2", "part 3"]
    assert fitted.threshold_.parts == 1
    assert capsys.readouterr().err.count("was left out") == 3
    with pytest.raises(InputError, match="nothing of them lies in the foreground"):
        fitted.partial_fit([part(4, mask=mask)])


def test_a_part_that_can_be_judged_is_learnt_whatever_was_drawn_to_be_set_aside():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[31:34, 31:34] = True
    for seed in range(4):  # which of them is set aside follows from the seed
        model = detector(("colour",), random_state=seed).fit([part(0), part(4, mask=mask)])
        assert (model.parts_, model.threshold_) == (["part 0"], None)
        assert model.partial_fit([part(5, mask=mask), part(1)]).parts_ == ["part 0", "part 1"]
        assert model.threshold_ is None
    with pytest.raises(InputError, match=r"^no part to learn from has a patch that could be looked at: "):
        detector(("colour",)).fit([part(4, mask=mask)], validation=[part(0)])


def test_where_nothing_that_is_set_aside_can_be_judged_no_text_says_that_nothing_was():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[31:34, 31:34] = True
    fitted = detector().fit(parts(2), validation=[part(50, mask=mask)])
    assert [line.partition(":")[0] for line in fitted.report_] == ["part 50 was left out"]
    assert (fitted.threshold_, fitted.describe()["threshold"]) == (None, "no good part certifies one")
    with pytest.raises(InputError, match=r"^no good part certifies a threshold: fit with more, or validation=\.\.\."):
        fitted.predict([part(30)])


# Files


def test_a_bad_file_among_good_parts_is_named(tmp_path):
    for number in range(3):
        save(tmp_path, part(number), f"{number:03}")
    (tmp_path / "xyz/001.tiff").write_bytes(b"II*\0 cut off")
    model = detector()
    with pytest.raises(InputError, match=r"001\.tiff"):
        model.fit(tmp_path)
    assert not hasattr(model, "normal_")


def test_a_missing_partner_is_named(tmp_path):
    for number in range(3):
        save(tmp_path, part(number), f"{number:03}")
    (tmp_path / "xyz/001.tiff").unlink()
    with pytest.raises(InputError, match="without xyz: 001"):
        detector().fit(tmp_path)


def test_defective_labels_of_a_folder_are_refused(tmp_path):
    for label in ("good", "cut"):
        save(tmp_path / "train" / label, part(0))
    with pytest.raises(InputError, match=r"train/cut/000 is labelled as defective \(cut\)"):
        detector().fit(tmp_path)


def test_parts_whose_truth_is_in_a_folder_are_learnt_only_where_it_marks_nothing(tmp_path):
    (tmp_path / "gt").mkdir()
    for number, sample in enumerate((part(20), part(21), part(40, "dent"), part(22))):
        save(tmp_path, sample, f"{number:03}")
        image_module.fromarray(255 * (sample.truth > 0).astype(np.uint8)).save(tmp_path / f"gt/{number:03}.png")
    for held_out in (0, 0.75):  # learnt from, and set aside
        model = detector(config=M3DMConfig(size=SIZE, held_out=held_out)).fit(parts(2))
        for learn in (detector().fit, model.partial_fit):
            with pytest.raises(InputError, match="002 has a defect, as its truth says"):
                learn(tmp_path)


def test_good_parts_are_never_taken_from_the_test_split(tmp_path):
    save(tmp_path / "test/good", part(0))
    with pytest.raises(InputError, match="has no train"):
        detector().fit(tmp_path)


# Models


@pytest.fixture
def saved(tmp_path, model):
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_that_lost_a_file_is_refused(saved):
    for file in list(saved.iterdir()):
        content = file.read_bytes()
        file.unlink()
        lost = (
            "it has no" if file.name == "config.json" else f"{re.escape(file.name)} is missing: the folder is damaged"
        )
        with pytest.raises(InputError, match=lost):
            lw.load(saved)
        file.write_bytes(content)
    lw.load(saved)


def tampered(model, monkeypatch, **changes):
    """Save what does not fit, with checksums that do."""
    state = model.to_state()
    for name, change in changes.items():
        kept, group = (state.tensors[name], change) if name in state.tensors else (state.values, {name: change})
        if unknown := group.keys() - kept.keys():
            raise KeyError(*unknown)
        kept.update(group)
    monkeypatch.setattr(type(model), "to_state", lambda self: state)


def test_a_model_that_nobody_tampered_with_loads(tmp_path, model, monkeypatch):
    tampered(model, monkeypatch, unit="m", calibration={"scores": model.fitted_.scores})
    model.save(tmp_path / "model")
    assert_same(lw.load(tmp_path / "model", device="cpu").explain(part(30)), model.explain(part(30)))


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"parts": ["only one"]}, "the parts of a detector do not fit each other"),
        ({"sizes": [[64, 64]]}, "the parts of a detector do not fit each other"),
        ({"sizes": "all"}, r"can be rebuilt \(ValueError\('not enough values to unpack"),
        ({"config": {"size": 60}}, "size=60: expected a multiple of 16"),
        ({"config": {"colour": "red"}}, r"can be rebuilt \(TypeError.* unexpected keyword argument 'colour'"),
        ({"banks": ["colour", "texture", "geometry"]}, "the parts of a detector do not fit each other"),
        ({"banks": ["smell"]}, r"can be rebuilt \(KeyError\('bank_smell'"),
        ({"banks": []}, r"can be rebuilt \(ValueError\('max"),
        ({"scales": ["colour"]}, "the parts of a detector do not fit each other"),
        ({"fusion": "mean"}, "fusion='mean': expected one of ocsvm, zsum, max, quantile"),
        ({"scans": ["smell"]}, "the parts of a detector do not fit each other"),
        ({"scans": "rgb"}, "the parts of a detector do not fit each other"),
        ({"scale_colour": {"own": np.array([99])}}, "the arrays of a whitening do not fit together"),
        ({"scale_colour": {"matrix": np.zeros((13, 2), np.float32)}}, "the arrays of a whitening do not fit together"),
        ({"bank_form": {"where": np.zeros((1, 3), np.int32)}}, "the parts of a memory bank do not fit each other"),
        ({"bank_form": {"features": np.zeros((3, 4))}}, "the parts of a memory bank do not fit each other"),
        ({"image_layer": {"below": np.array([-1.0, 0, 0, 0])}}, "a decision layer must not decrease"),
        ({"calibration": {"scores": np.full(3, np.nan)}}, "the score of held-out part 0 is nan"),
        ({"calibration": {"peaks": np.full(3, np.nan)}}, "the score of held-out part 0 is nan"),
        ({"calibration": {"peaks": np.ones(2)}}, "3 scores and 2 peaks of the parts set aside"),
    ],
    ids=lambda given: json.dumps(given, default=lambda array: str(array.shape)) if isinstance(given, dict) else None,
)
def test_models_whose_parts_do_not_fit_are_refused(tmp_path, model, monkeypatch, changes, said):
    tampered(model, monkeypatch, **changes)
    model.save(tmp_path / "model")
    with pytest.raises(InputError, match=said):
        lw.load(tmp_path / "model")


def test_missing_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: there is no such folder$"):
        lw.load(tmp_path / "nowhere")


def test_foreign_folders_are_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"kind": "model", "class": "anomaly.M3DM"}')
    with pytest.raises(InputError, match=r"config\.json is not Latticework's"):
        lw.load(tmp_path)


def test_nothing_that_was_given_is_changed(model):
    sample = part(30)
    before = {name: getattr(sample, name).copy() for name in ("rgb", "xyz", "truth")}
    model.explain(sample)
    model.evaluate([sample, part(40, "hole")])
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(sample, name), array)
