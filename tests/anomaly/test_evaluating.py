"""An evaluation's figures are those of scikit-learn and of the published AUPRO, over all parts, kinds and banks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from anomaly.detectors import SIZE, cropped, detector, part, parts, usual
from reference import aupro as literal
from sklearn import metrics

from latticework.anomaly import M3DMConfig
from latticework.anomaly.features.extraction import describe
from latticework.anomaly.findings.pixels import LIMITS
from latticework.anomaly.judging import KNEE, enlarged, fused_map
from latticework.anomaly.scans.found import Found
from latticework.core.errors import InputError

GOOD = parts(5, first=30)
BAD = [part(seed, kind) for kind in ("stain", "dent", "hole") for seed in (40, 41)]


@pytest.fixture(scope="module")
def model():
    return usual()


@pytest.fixture(scope="module")
def found(model):
    return model.evaluate([*GOOD, *BAD])


def heat(model, sample, bank=None):
    described = describe(sample, model.seen_, model.fitted_.config)
    judged = model.fitted_.judged(described)
    if bank is None:
        return fused_map(judged, model.normal_.layers.patch, model.fitted_.config)
    number = model.banks_.index(bank)
    layer = model.normal_.layers.patch
    shares = np.stack(
        [
            layer.contributions(np.moveaxis(judged.maps, 0, -1)),
            np.broadcast_to(layer.contributions(np.zeros(layer.banks)), (*judged.judged.shape, layer.banks)),
        ]
    )
    own = np.where(judged.judged, *shares[..., number]).astype(np.float32)
    return enlarged(KNEE * np.arcsinh(own / KNEE), size=model.fitted_.config.size, sigma=model.fitted_.config.sigma)


def check(figures, scores, labels, maps, truths):
    bad = [label != "good" for label in labels]
    assert figures.image.auroc == pytest.approx(metrics.roc_auc_score(bad, scores))
    assert figures.image.average_precision == pytest.approx(metrics.average_precision_score(bad, scores))
    precision, recall, _ = metrics.precision_recall_curve(bad, scores)
    assert figures.image.f1_max == pytest.approx((2 * precision * recall / np.maximum(precision + recall, 1e-9)).max())
    which = np.concatenate([truth.ravel() for truth in truths]) > 0
    flat = np.concatenate([scored.ravel() for scored in maps])
    assert figures.pixel.auroc == pytest.approx(metrics.roc_auc_score(which, flat))
    assert figures.pixel.average_precision == pytest.approx(metrics.average_precision_score(which, flat))
    assert figures.aupro.keys() == set(LIMITS)
    for limit, area in figures.aupro.items():
        assert area == pytest.approx(literal.sorted_changes(maps, truths, limit), abs=1e-9)


def test_figures_are_those_of_scikit_learn_and_of_the_published_evaluation(model, found):
    samples = [*GOOD, *BAD]
    labels = [sample.label for sample in samples]
    assert found.names == tuple(sample.name for sample in samples)
    assert found.labels == tuple(labels)
    np.testing.assert_array_equal(found.scores, model.score_samples(samples))
    truths = [sample.truth for sample in samples]
    check(found.figures, found.scores, labels, [heat(model, sample) for sample in samples], truths)
    for bank in model.banks_:
        maps = [heat(model, sample, bank) for sample in samples]
        check(found.banks[bank], found.bank_scores[bank], labels, maps, truths)
        assert found.bank_scores[bank][3] == next(b.score for b in model.explain(GOOD[3]).banks if b.bank == bank)


def test_what_is_found_in_each_part_is_handed_out_and_is_that_of_an_inspection(model, found):
    absent = Found("absent", "good", rgb=Path("absent.png"))
    told = []
    again = model.evaluate([*GOOD, absent, *BAD], each=lambda part, each: told.append((part, each)))
    np.testing.assert_array_equal(again.scores, found.scores)
    assert [given.name for given, _ in told] == [given.name for given in (*GOOD, absent, *BAD)]
    assert [str(each) for given, each in told if given is absent] == list(again.failed.values())
    for given, each in told:
        if given is not absent:
            alone = model.explain(given)
            assert each.as_dict() == alone.as_dict()
            np.testing.assert_array_equal(each.map, alone.map)


def test_each_kind_is_compared_with_all_good_parts(model, found):
    assert list(found.by_label) == ["dent", "hole", "stain"]
    for kind, figures in found.by_label.items():
        samples = [*GOOD, *(sample for sample in BAD if sample.label == kind)]
        labels = [sample.label for sample in samples]
        truths = [sample.truth for sample in samples]
        check(figures, model.score_samples(samples), labels, [heat(model, sample) for sample in samples], truths)
        assert figures.image.defective == 2
        assert figures.image.good == 5


def test_decisions_are_counted(model, found):
    decided = model.predict([*GOOD, *BAD]) == -1
    np.testing.assert_array_equal(found.defective, decided)
    assert found.false_alarms == decided[:5].mean()
    assert found.found == decided[5:].mean()
    assert found.threshold == model.threshold_


def test_curves_are_those_of_the_figures(found):
    false, true = found.roc
    assert np.trapezoid(true, false) == pytest.approx(found.figures.image.auroc)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    rates, overlap = found.pro
    inside = rates <= 0.3 + 1e-9
    assert np.trapezoid(overlap[inside], rates[inside]) / 0.3 == pytest.approx(found.figures.aupro[0.3], abs=0.01)
    low, high = found.interval
    assert 0 <= low <= found.figures.image.auroc <= high <= 1


def test_everything_is_ready_for_json(found):
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["parts"] == 11
    assert told["image_auroc"] == found.figures.image.auroc
    assert told["pixel_auroc"] == found.figures.pixel.auroc
    assert told["aupro"] == told["aupro_0.3"] == found.figures.aupro[0.3]
    assert told.keys() >= {"aupro_0.1", "aupro_0.05", "aupro_0.01", "image_ap", "image_f1_max", "pixel_ap"}
    assert told["by_label"].keys() == {"dent", "hole", "stain"}
    assert told["threshold"]["parts"] == 3


def test_only_good_parts_have_no_figures_but_false_alarms(model):
    found = model.evaluate(GOOD)
    assert (found.figures.image, found.figures.pixel, found.figures.aupro) == (None, None, {})
    assert (found.roc, found.pro, found.interval, found.by_label, found.found) == (None, None, None, {}, None)
    assert 0 <= found.false_alarms <= 1
    json.dumps(found.as_dict(), allow_nan=False)


def test_only_defective_parts_still_have_figures_of_pixels(model):
    found = model.evaluate(BAD)
    assert (found.figures.image, found.roc, found.interval, found.false_alarms) == (None, None, None, None)
    assert found.figures.pixel.auroc > 0.5
    assert found.figures.aupro[0.3] > 0
    json.dumps(found.as_dict(), allow_nan=False)


def test_without_truths_there_are_figures_of_parts_alone(model):
    samples = [*GOOD, *(replace(sample, truth=None) for sample in BAD)]
    found = model.evaluate(samples)
    assert found.figures.image.auroc == model.evaluate([*GOOD, *BAD]).figures.image.auroc
    assert (found.figures.pixel, found.figures.aupro, found.pro) == (None, {}, None)


def test_one_truth_missing_leaves_out_figures_of_all_pixels_but_of_its_kind_only(model):
    samples = [*GOOD, replace(BAD[0], truth=None), *BAD[1:]]
    found = model.evaluate(samples)
    assert found.figures.pixel is None
    assert found.by_label["stain"].pixel is None
    assert found.by_label["dent"].pixel is not None


def test_good_parts_need_no_truth(model, found):
    again = model.evaluate([*(replace(sample, truth=None) for sample in GOOD), *BAD])
    assert again.figures == found.figures


def test_labels_follow_from_truths_where_there_are_none(model):
    found = model.evaluate([replace(sample, label=None) for sample in (GOOD[0], BAD[0])])
    assert found.labels == ("good", "defective")


def test_parts_of_which_nothing_is_known_are_refused(model):
    with pytest.raises(InputError, match=r"part 30 has neither a label nor a truth.* folders test/good"):
        model.evaluate([replace(GOOD[0], label=None, truth=None)])


def test_they_are_refused_before_anything_is_told_of_the_others(model):
    told = []
    with pytest.raises(InputError, match="neither a label nor a truth"):
        model.evaluate([*GOOD, replace(BAD[0], label=None, truth=None)], each=lambda *each: told.append(each))
    assert told == []


def test_parts_that_cannot_be_read_are_named_and_left_out(model, found, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    lacking = replace(part(31), xyz=None, name="flat")
    again = model.evaluate([GOOD[0], Found("broken", "good", rgb=broken), *GOOD[1:], lacking, *BAD])
    assert again.failed.keys() == {"broken", "flat"}
    assert "broken.png" in again.failed["broken"]
    assert "no xyz" in again.failed["flat"]
    assert again.figures == found.figures
    with pytest.raises(InputError, match=r"none of 2 parts can be read: .*broken\.png"):
        model.evaluate([Found("broken", "good", rgb=broken), lacking])


def test_padding_beside_pictures_does_not_count(model):
    samples = [cropped(sample, slice(8, 56), slice(0, 64)) for sample in (*GOOD, *BAD)]
    found = model.evaluate(samples)
    maps = [heat(model, sample)[8:56] for sample in samples]
    truths = [sample.truth for sample in samples]
    check(found.figures, found.scores, [sample.label for sample in samples], maps, truths)
    assert found.figures.pixel.good + found.figures.pixel.defective == 11 * 48 * SIZE


def test_only_pixels_within_masks_count(model):
    mask = np.zeros((SIZE, SIZE), bool)
    mask[:, :40] = True
    samples = [replace(sample, mask=mask) for sample in (*GOOD, *BAD)]
    found = model.evaluate(samples)
    assert found.figures.pixel.good + found.figures.pixel.defective == 11 * 40 * SIZE
    which = np.concatenate([sample.truth[:, :40].ravel() for sample in samples]) > 0
    flat = np.concatenate([heat(model, sample)[:, :40].ravel() for sample in samples])
    assert found.figures.pixel.auroc == pytest.approx(metrics.roc_auc_score(which, flat))


def test_truths_of_larger_pictures_are_brought_to_the_size_of_frames(model):
    sample = part(40, "stain", size=128)
    found = model.evaluate([*GOOD, sample])
    halves = sample.truth.reshape(64, 2, 64, 2).max((1, 3))  # a pixel of a defect is never lost
    assert found.figures.pixel.defective == (halves > 0).sum()


def test_without_a_threshold_nothing_is_decided():
    bare = detector(("colour",), config=M3DMConfig(size=SIZE, held_out=0)).fit(parts(4))
    found = bare.evaluate([GOOD[0], BAD[0]])
    assert (found.defective, found.threshold, found.false_alarms, found.found) == (None, None, None, None)
    assert found.as_dict()["threshold"] is None


def test_a_detector_beats_chance_and_each_bank_sees_its_own(found):
    assert found.figures.image.auroc > 0.9
    assert found.figures.pixel.auroc > 0.9
    assert found.by_label["stain"].image.auroc > 0.8
    assert found.banks["geometry"].image.auroc > 0.6


def test_several_processes_find_the_same(model, found):
    import joblib

    with joblib.parallel_config(n_jobs=2):
        again = model.evaluate([*GOOD, *BAD])
    assert again.as_dict() == found.as_dict()


def test_a_part_of_which_nothing_can_be_judged_is_named_and_the_others_count(model):
    mask = np.zeros(GOOD[0].size, bool)
    mask[32:34, 32:34] = True
    told = model.evaluate([*GOOD, *BAD, part(60, "dent", mask=mask)])
    assert list(told.failed) == ["dent 60"]
    assert "nothing of it can be judged" in told.failed["dent 60"]
    assert len(told.names) == len(GOOD) + len(BAD)
