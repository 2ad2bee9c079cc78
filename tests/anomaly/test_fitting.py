"""How good parts are learnt: scores by what banks hold of others, fusion kept for a reason, bounded memory."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from anomaly.detectors import BANKS, CONFIG, detector, part, parts
from scipy.spatial.distance import cdist

from latticework.anomaly import M3DMConfig, fitting
from latticework.anomaly.banks import FUSION
from latticework.anomaly.features.extraction import describe
from latticework.anomaly.findings.calibration import threshold
from latticework.anomaly.fitted import Normal
from latticework.anomaly.fitting import calibrated, decide, fill, learn
from latticework.anomaly.fusion import fusion_trial, pseudo
from latticework.anomaly.fusion.decision import fit_decision
from latticework.anomaly.fusion.fusion_trial import trial_scores
from latticework.anomaly.judging import Representation, fused_map, judge
from latticework.anomaly.memory.needs import training_needs
from latticework.anomaly.memory.store import Store
from latticework.anomaly.memory.whitening import Moments, standardisation, whitening

CPU = torch.device("cpu")
RICH = ("colour", "texture", "geometry", "form")


def stored(samples, banks=BANKS, config=CONFIG):
    store = Store(config)
    for sample in samples:
        store.add(describe(sample, banks, config))
    return store


def scaled(store, config=CONFIG):
    places = {bank: 0 if bank == "form" else 4 for bank in store.banks}
    return Representation(
        {bank: whitening(Moments.of(store.blocks(bank)), most=48, place=places[bank]) for bank in store.banks}
    )


@pytest.fixture(scope="module")
def store():
    return stored(parts(6))


@pytest.fixture(scope="module")
def whole(store):
    """All of it, in banks that keep everything."""
    representation = scaled(store)
    memories = fill(store, representation, coreset=1.0, config=CONFIG, device=CPU)
    layers = decide(store, representation, memories, method="quantile", config=CONFIG, seed=0)
    return Normal(representation, memories, layers)


# What was seen


def test_what_was_seen_comes_back_part_by_part(store):
    assert len(store) == 6
    assert store.names == [f"part {number}" for number in range(6)]
    assert set(store.sizes) == {(64, 64)}
    for number, found in zip((4, 0, 5), store.parts((4, 0, 5)), strict=True):
        expected = describe(part(number), BANKS, CONFIG).patches
        for bank in BANKS:
            assert np.array_equal(found[bank].rows, expected[bank].rows)
            assert np.array_equal(found[bank].judged, expected[bank].judged)


def test_blocks_are_all_rows(store, monkeypatch):
    monkeypatch.setattr("latticework.anomaly.memory.store._BLOCK", 7)
    blocks = list(store.blocks("colour"))
    assert [len(block) for block in blocks[:-1]] == [7] * (len(blocks) - 1)
    rows = np.concatenate([found["colour"].rows for found in store.parts(range(6))])
    assert np.array_equal(np.concatenate(blocks), rows)


def test_beyond_the_budget_rows_are_in_a_file_and_nearly_the_same(store, tmp_path):
    small = stored(parts(6), config=replace(CONFIG, memory=0, cache_folder=str(tmp_path)))
    for one, two in zip(store.parts(range(6)), small.parts(range(6)), strict=True):
        for bank in BANKS:
            largest = np.abs(one[bank].rows).max(1, keepdims=True)
            assert (np.abs(one[bank].rows - two[bank].rows) <= 2**-10 * largest).all()
            assert np.array_equal(one[bank].judged, two[bank].judged)
    small.close()
    assert not list(tmp_path.iterdir())


def test_pictures_have_sizes_of_their_own():
    samples = [part(0), part(1, size=96)]
    assert stored(samples, ("colour",)).sizes == [(64, 64), (96, 96)]


# Banks


def test_banks_hold_the_share_that_was_asked_for_and_know_where_it_is_from(store):
    representation = scaled(store)
    memories = fill(store, representation, coreset=0.3, config=CONFIG, device=CPU, first=10)
    held = [representation(found) for found in store.parts(range(6))]
    for bank, memory in memories.items():
        seen = sum(len(found[bank].rows) for found in held)
        assert memory.seen == seen
        assert len(memory) == int(0.3 * seen)
        for entry, (number, row, column) in zip(memory.features, memory.where, strict=True):
            patches = held[number - 10][bank]
            place = patches.judged.ravel()[: row * 8 + column].sum()
            assert patches.judged[row, column]
            assert np.array_equal(entry, patches.rows[place])


def test_only_some_banks_are_filled_when_asked(store):
    representation = scaled(store)
    memories = fill(store, representation, coreset=1.0, config=CONFIG, device=CPU, only=("form",))
    assert list(memories) == ["form"]


def test_banks_that_are_added_to_stay_as_they_were(store, whole):
    before = {bank: memory.to_arrays() for bank, memory in whole.memories.items()}
    more = stored(parts(2, first=20))
    added = fill(more, whole.representation, coreset=1.0, config=CONFIG, device=CPU, into=whole.memories, first=6)
    for bank, memory in whole.memories.items():
        for name, array in memory.to_arrays().items():
            assert np.array_equal(array, before[bank][name])
        assert set(added[bank].where[:, 0].tolist()) == set(range(8))
        assert added[bank].seen == memory.seen + sum(len(found[bank].rows) for found in more.parts((0, 1)))


# Decision layers


def test_scores_of_good_parts_are_those_of_a_refit_without_them(store, whole):
    held = [whole.representation(found) for found in store.parts(range(6))]
    scores = []
    for number in range(6):
        others = stored([part(other) for other in range(6) if other != number])
        refit = fill(others, whole.representation, coreset=1.0, config=CONFIG, device=CPU)
        found = judge(held[number], whole.memories, CONFIG, without=number)
        for place, bank in enumerate(whole.memories):
            nearest = cdist(held[number][bank].rows, refit[bank].features).min(1)
            np.testing.assert_allclose(found.maps[place][held[number][bank].judged], nearest, rtol=1e-5, atol=1e-6)
            assert found.scores[place] == pytest.approx(np.sort(nearest)[-3:].mean(), rel=1e-5)
        scores.append(found.scores)
    expected = fit_decision(np.stack(scores), method="quantile")
    for name, array in expected.arrays().items():
        np.testing.assert_allclose(whole.layers.image.arrays()[name], array, rtol=1e-6)


def test_layers_of_maps_learn_from_judged_patches_alone(store, whole):
    held = [whole.representation(found) for found in store.parts(range(6))]
    rows = []
    for number in range(6):
        found = judge(held[number], whole.memories, CONFIG, without=number)
        rows.append(found.maps[:, found.judged].T)
    expected = fit_decision(np.concatenate(rows), method="quantile")
    for name, array in expected.arrays().items():
        np.testing.assert_allclose(whole.layers.patch.arrays()[name], array, rtol=1e-6)


def test_few_of_many_parts_and_patches_are_enough(store, whole, monkeypatch):
    monkeypatch.setattr(fitting, "SCORED", 3)
    monkeypatch.setattr(fitting, "MOST_ROWS", 30)
    seen = []
    monkeypatch.setattr(
        fitting, "fit_decision", lambda rows, method: seen.append(rows) or fit_decision(rows, method=method)
    )
    decide(store, whole.representation, whole.memories, method="max", config=CONFIG, seed=0)
    image, patch = seen
    assert image.shape == (3, 3)
    assert patch.shape == (30, 3)


# What it comes to


def test_parts_set_aside_are_scored_as_any_other_is():
    model = detector(config=replace(CONFIG, held_out=0)).fit(parts(6))
    aside = parts(3, first=20)
    scores, peaks = calibrated((describe(sample, BANKS, CONFIG).patches for sample in aside), model.normal_, CONFIG)
    np.testing.assert_array_equal(scores, model.score_samples(aside))
    for peak, sample in zip(peaks, aside, strict=True):
        found = model.explain(sample)
        assert peak == pytest.approx(found.map.max(), rel=1e-6)
    assert model.threshold_ is None
    assert replace(model.fitted_, scores=scores, peaks=peaks).threshold == threshold(scores, rate=0.05)


def test_clear_pseudo_defects_are_found(store, whole, monkeypatch):
    monkeypatch.setattr(pseudo, "SIDES", (0.3, 0.4))
    monkeypatch.setattr(pseudo, "DEPTHS", (0.08, 0.1))
    monkeypatch.setattr(pseudo, "STRENGTHS", (0.9, 1.0))
    scans = {number: describe(sample, BANKS, CONFIG).frame for number, sample in enumerate(parts(6))}

    def told(normal):
        return np.mean([trial_scores(store, scans, [normal], CONFIG, None, seed) for seed in range(3)])

    alone = Representation({"form": whole.representation.whitenings["form"]})
    memories = {"form": whole.memories["form"]}
    blind = Normal(alone, memories, decide(store, alone, memories, method="quantile", config=CONFIG, seed=0))
    assert 0.72 < told(whole) <= 1
    assert told(blind) < told(whole) - 0.1


def test_each_part_is_described_once_and_tried_by_what_banks_hold_of_others(store, whole, monkeypatch):
    asked, described = [], []

    def recorded(patches, memories, config, *, without):
        asked.append(without)
        return judge(patches, memories, config, without=without)

    monkeypatch.setattr(fusion_trial, "judge", recorded)
    original = fusion_trial.patches_of
    monkeypatch.setattr(fusion_trial, "patches_of", lambda *given: described.append(1) or original(*given))
    scans = {number: describe(part(number), BANKS, CONFIG).frame for number in (1, 4)}
    found = trial_scores(store, scans, [whole, whole], CONFIG, None, 0)
    assert found[0] == found[1]
    assert asked == [1] * 2 * (1 + fusion_trial.DEFECTS) + [4] * 2 * (1 + fusion_trial.DEFECTS)
    assert len(described) == 2 * fusion_trial.DEFECTS  # once for both


# The fusion bank


@pytest.fixture(scope="module")
def rich():
    samples = parts(10)
    return stored(samples, RICH), {number: describe(each, RICH, CONFIG).frame for number, each in enumerate(samples)}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(fitting, "EMBEDDED", replace(fitting.EMBEDDED, steps=60, warmup_steps=10))
    monkeypatch.setattr(fitting, "FusionConfig", lambda: replace(fitting.EMBEDDED, steps=20, warmup_steps=5))


def learned(rich, config=CONFIG, **options):
    store, scans = rich
    settings = {"fusion": True, "method": "quantile", "coreset": 0.5, "encoders": None, "device": CPU, "seed": 0}
    return learn(store, scans, config=config, **(settings | options))


@pytest.mark.parametrize("gain, kept", [(-9.0, True), (9.0, False)])
def test_the_fusion_bank_is_kept_if_it_gains_enough(rich, quick, monkeypatch, gain, kept):
    monkeypatch.setattr(fitting, "GAIN", gain)
    normal, report = learned(rich)
    assert (FUSION in normal.memories) is kept
    assert (normal.representation.fusion is not None) is kept
    assert normal.layers.image.banks == normal.layers.patch.banks == len(normal.memories) == 4 + kept
    assert f"the fusion bank was {'kept' if kept else 'dropped'}: " in report[0]
    assert "points of AUROC and AUPRO on pseudo-defects" in report[0]


def test_the_gain_is_what_pseudo_defects_say(rich, quick, monkeypatch):
    store, scans = rich
    monkeypatch.setattr(fitting, "GAIN", -9.0)
    richer, report = learned(rich)
    poorer, _ = learned(rich, fusion=False)
    halves = [{number: scans[number] for number in list(scans)[begin::2]} for begin in (0, 1)]

    def told(normal, half):
        return trial_scores(store, half, [normal], CONFIG, None, 0)[0]

    gains = [told(richer, half) - told(poorer, half) for half in halves]
    points = " and ".join(f"{100 * gain:+.1f}" for gain in gains)
    about = f"{points} points of AUROC and AUPRO on pseudo-defects of held-out parts"
    assert report == [f"the fusion bank was kept: {about}"]
    monkeypatch.setattr(
        fitting, "GAIN", max(gains) + min(abs(gains[0] - gains[1]), 0.1) / 2 if gains[0] != gains[1] else 9
    )
    assert FUSION not in learned(rich)[0].memories


def test_the_paper_keeps_it_in_any_case(rich, quick, monkeypatch):
    monkeypatch.setattr(fitting, "GAIN", 9.0)
    paper = replace(CONFIG, mode="paper")
    seen = stored(parts(4), RICH, paper)
    normal, report = learned((seen, {}), paper)
    assert (report, list(normal.memories)) == ([], [*RICH, FUSION])
    for bank, scale in normal.representation.whitenings.items():
        expected = standardisation(Moments.of(seen.blocks(bank)))
        np.testing.assert_array_equal(scale.matrix, expected.matrix)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_of_few_parts_none_is_learnt(rich, monkeypatch, count):
    monkeypatch.setattr(fitting, "fit_fusion", None)  # not even tried
    samples = parts(count)
    few = stored(samples, RICH), [describe(sample, RICH, CONFIG).frame for sample in samples]
    normal, report = learned(few)
    assert FUSION not in normal.memories
    assert "too few parts" in report[0]


def test_where_no_part_that_it_learns_from_has_both_sides_none_is_learnt(quick):
    nothing = np.zeros((64, 64), bool)
    nothing[32, 32] = True
    samples = [part(0), *parts(5, first=1, mask=nothing)]
    scans = {number: describe(samples[number], RICH, CONFIG).frame for number in (0, 5)}
    normal, report = learned((stored(samples, RICH), scans))
    assert FUSION not in normal.memories
    assert "too few parts" in report[0]


def test_without_it_nothing_is_reported(rich):
    assert learned(rich, fusion=False)[1] == []


def test_modalities_with_nothing_in_common_are_not_fused(quick, monkeypatch):
    """Colours of one part over the points of another, at random: nothing is learnt that held-out patches share."""
    generator = np.random.default_rng(0)
    samples = [part(number, rgb=generator.integers(100, 130, (64, 64, 3), np.uint8)) for number in range(6)]
    noise = stored(samples, RICH), {number: describe(each, RICH, CONFIG).frame for number, each in enumerate(samples)}
    monkeypatch.setattr(fitting, "GAIN", -9.0)
    learnt = []
    original = fitting.fit_fusion
    monkeypatch.setattr(
        fitting, "fit_fusion", lambda *given, **options: learnt.append(original(*given, **options)) or learnt[-1]
    )
    normal, report = learned(noise)
    assert [fitted.learnt for fitted in learnt] == [False]
    assert FUSION not in normal.memories
    assert "nothing in common" in report[0]


def test_what_was_stored_in_half_precision_makes_nearly_the_same_detector(store, whole, tmp_path):
    config = M3DMConfig(size=64, memory=0, cache_folder=str(tmp_path))
    small = stored(parts(6), config=config)
    normal, _ = learn(
        small, {}, fusion=False, method="quantile", coreset=1.0, config=config, encoders=None, device=CPU, seed=0
    )
    for sample in (part(30), part(31, "dent")):
        found = describe(sample, BANKS, CONFIG).patches
        one = judge(whole.representation(found), whole.memories, CONFIG)
        two = judge(normal.representation(found), normal.memories, CONFIG)
        np.testing.assert_allclose(one.scores, two.scores, rtol=0.01)
        heat = fused_map(one, whole.layers.patch, CONFIG), fused_map(two, normal.layers.patch, CONFIG)
        assert np.corrcoef(heat[0].ravel(), heat[1].ravel())[0, 1] > 0.99
    small.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be asked for")
def test_where_a_disk_has_no_room_for_the_pictures_is_told_and_does_not_end_the_process(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    config = M3DMConfig(size=64, memory=0, cache_folder=str(tmp_path))
    assert fitting._room((2, 3), config).tolist() == [[0, 0, 0], [0, 0, 0]]
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left") as caught:
        fitting._room((2, 3), config)
    assert caught.value.filename == str(tmp_path)


# What it takes


def test_what_learning_takes_is_told_before(store, capsys):
    import latticework as lw

    (first,) = store.parts((0,))
    needed = training_needs(first, 6, CONFIG, aside=0, coreset=0.1, fusion=True)
    assert needed.disk == 0
    assert needed.memory > training_needs(first, 6, CONFIG, aside=0, coreset=0.1, fusion=False).memory
    held = training_needs(first, 6, replace(CONFIG, memory=0), aside=10**6, coreset=0.1, fusion=True)
    assert held.memory > sum(4 * 10**6 * patches.rows.size for patches in first.values())  # whatever the budget
    large = training_needs(first, 10**6, CONFIG, aside=0, coreset=0.1, fusion=True)
    seen = sum(2 * 10**6 * patches.rows.size for patches in first.values())
    assert large.disk > seen  # in half precision
    with lw.progress.showing():
        detector().fit(parts(4))
    needed = training_needs(first, 3, CONFIG, aside=1, coreset=0.1, fusion=False)
    assert f"to learn 3 parts takes at most {needed.told()}" in capsys.readouterr().err
