"""M3DM as an estimator: the common checks, and what is true of it whatever the parts."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from anomaly import encoders
from anomaly.detectors import BANKS, CONFIG, SIZE, detector, part, parts, usual
from cases import EstimatorCases, assert_same, contents
from nn.watching import faster_products, products_in_full
from reference.reweighting import image_score as literal_score
from scipy.stats import betabinom

import latticework as lw
from latticework.anomaly import M3DM, Inspection, M3DMConfig, Sample, fitting
from latticework.anomaly.encoders.pretrained import Pretrained
from latticework.anomaly.fusion.decision import METHODS
from latticework.anomaly.saving import fitted_of
from latticework.anomaly.scans.folders import read_folder
from latticework.anomaly.synth import generate
from latticework.core.errors import InputError

UNTOLD = [*parts(3), part(41, "dent", label=None)]
TEST = [*parts(3, first=30), part(40, "stain"), part(41, "dent"), part(42, "hole")]


class TestM3DM(EstimatorCases):
    banks = BANKS
    config = CONFIG
    fusion = "quantile"

    def make(self):
        return detector(self.banks, config=self.config, fusion=self.fusion)

    def fit_arguments(self):
        return (parts(6),), {}

    def queries(self):
        return {
            "predict": (TEST[1:4],),
            "transform": (TEST[1:4],),
            "transform_patches": (TEST[3],),
            "score_samples": (TEST[2:4],),
            "p_values": (TEST[2:4],),
            "predict_map": (TEST[3:4],),
            "explain": (TEST[4],),
            "evaluate": ([TEST[0], TEST[3], TEST[4]],),
        }

    def bad_fits(self):
        return [
            ("no parts", "^there are no parts: the list is empty$", (([],), {})),
            ("no part", "^parts are a folder, files, or .* got int$", ((3,), {})),
            ("a defective one", "^dent 40 is labelled as defective", (([*parts(3), part(40, "dent")],), {})),
            ("a defective one, by its truth", "^dent 41 has a defect, as its truth", ((UNTOLD,), {})),
            ("one set aside, by its truth", "^dent 41 has a defect", ((parts(3),), {"validation": UNTOLD[-1:]})),
            ("a folder that is not there", "^nowhere: there is no such file or folder$", (("nowhere",), {})),
            ("one without points", "^part 4 has no xyz", (([*parts(3), part(4, xyz=None)],), {})),
            ("the first without points", "^part 4 has no xyz", (([part(4, xyz=None), *parts(3)],), {})),
            ("one set aside without points", "^part 4 has no xyz", ((parts(3),), {"validation": [part(4, xyz=None)]})),
            ("a defective one set aside", "^dent 40 is labelled", ((parts(3),), {"validation": [part(40, "dent")]})),
        ]

    def bad_inputs(self):
        return [
            ("no parts", "^there are no parts: the list is empty$", lambda model: model.score_samples([])),
            ("a picture", "^parts are a folder, files, or .* got ndarray$", lambda model: model.predict(part(0).rgb)),
            ("a list for one part", "^a part is a .* got list$", lambda model: model.explain([part(0)])),
            ("no colours", "^part 0 has no rgb", lambda model: model.explain(part(0, rgb=None))),
            ("no points", "^part 0 has no xyz", lambda model: model.predict_map([part(0, xyz=None)])),
            ("a file that is not there", r"^nowhere\.png: there is no", lambda model: model.transform(["nowhere.png"])),
            ("nothing known", "^part 0 has neither", lambda model: model.evaluate([part(0, label=None, truth=None)])),
            ("bad parts to learn", "^dent 40 is labelled", lambda model: model.partial_fit([part(40, "dent")])),
        ]


class TestM3DMAsPublished(TestM3DM):
    banks = ("colour", "geometry")
    config = M3DMConfig(size=SIZE, mode="paper")
    fusion = "ocsvm"

    def queries(self):
        return {"predict": (TEST[2:4],), "transform": (TEST[3:4],), "explain": (TEST[4],), "p_values": (TEST[:1],)}


class TestM3DMWithFusion(TestM3DM):
    """A fusion bank that is learnt quickly, and kept whether it helps or not."""

    banks = ("colour", "geometry", "fusion")
    fusion = "max"

    def fit_arguments(self):
        return (parts(8),), {}

    def queries(self):
        return {
            "predict": (TEST[2:4],),
            "transform": (TEST[3:4],),
            "transform_patches": (TEST[0],),
            "explain": (TEST[4],),
        }

    @pytest.fixture(autouse=True)
    def _kept(self, monkeypatch):
        keep_any_fusion(monkeypatch)

    def test_it_has_a_fusion_bank(self):
        assert self.fitted().banks_ == ("colour", "geometry", "fusion")
        assert "was kept" in self.fitted().report_[0]


class _Learnt:
    """A trained fusion that is said to have learnt something."""

    learnt = True

    def __init__(self, fusion):
        self.fusion = fusion


def keep_any_fusion(monkeypatch):
    """It is learnt quickly, and kept whether it helps or not."""
    quick = replace(fitting.EMBEDDED, steps=20, warmup_steps=5, validate_every=10)
    monkeypatch.setattr(fitting, "EMBEDDED", quick)
    monkeypatch.setattr(fitting, "GAIN", -9.0)
    original = fitting.fit_fusion
    monkeypatch.setattr(fitting, "fit_fusion", lambda *given, **options: _Learnt(original(*given, **options).fusion))


# What a script sets for all of torch


@contextmanager
def double_precision():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def faster_products_in_vain():
    with faster_products(), products_in_full():
        yield


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def elsewhere():
    """As a card would be: what is made there by mistake does not fit the rest."""
    return torch.device("meta")


@pytest.fixture(scope="module")
def fused():
    with pytest.MonkeyPatch.context() as monkeypatch:
        keep_any_fusion(monkeypatch)
        return detector(("colour", "geometry", "fusion")).fit(parts(8))


@pytest.mark.parametrize("setting", [double_precision, faster_products_in_vain, autocast, elsewhere])
def test_what_a_script_sets_for_all_of_torch_changes_no_score(setting):
    fitted = detector().fit(parts(6))
    expected = fitted.score_samples(TEST[2:5])
    with setting():
        np.testing.assert_array_equal(fitted.score_samples(TEST[2:5]), expected)
        again = detector().fit(parts(6))
    np.testing.assert_array_equal(again.score_samples(TEST[2:5]), expected)


@pytest.mark.parametrize("setting", [double_precision, autocast, elsewhere])
def test_nor_does_it_change_an_inspection(fused, setting):
    expected = fused.explain(TEST[4])
    with setting():
        assert_same(fused.explain(TEST[4]), expected)


@pytest.mark.parametrize("setting", [double_precision, faster_products, autocast])
def test_nor_does_it_keep_a_fusion_from_being_learnt(monkeypatch, setting):
    keep_any_fusion(monkeypatch)
    with setting():
        fitted = detector(("colour", "geometry", "fusion")).fit(parts(8))
    assert {tensor.dtype for tensor in fitted.normal_.representation.fusion.parameters()} == {torch.float32}


def test_the_towers_of_a_fusion_go_where_products_are_computed(fused):
    there = fitted_of(fused.to_state(), CONFIG, torch.device("meta"))
    assert {tensor.device.type for tensor in there.normal.representation.fusion.parameters()} == {"meta"}


# Scores


@pytest.fixture(scope="module")
def model():
    return usual()


def test_the_order_of_parts_does_not_matter_where_all_patches_are_kept():
    given, aside, asked = parts(4), parts(2, first=50), [part(30), part(41, "dent")]
    found, nearest = [], set()
    for order in list(permutations(range(4)))[::7]:
        fitted = detector(coreset=1.0).fit([given[number] for number in order], validation=aside)
        found.append([*fitted.score_samples(asked), fitted.threshold_.value])
        nearest.add(fitted.explain(asked[0]).banks[0].nearest.part)
    assert len(nearest) == 1
    np.testing.assert_allclose(found, np.tile(found[0], (len(found), 1)), rtol=1e-3)


def test_more_of_the_same_changes_no_distance():
    one = detector(coreset=1.0, config=replace(CONFIG, held_out=0)).fit(parts(4))
    two = detector(coreset=1.0, config=replace(CONFIG, held_out=0)).fit([*parts(4), *parts(4)])
    for sample in (part(30), part(41, "dent")):
        for first, second in zip(one.explain(sample).banks, two.explain(sample).banks, strict=True):
            assert first.score == pytest.approx(second.score, rel=1e-3)
            assert first.nearest.part == second.nearest.part


@pytest.mark.parametrize("fusion", METHODS)
def test_defective_parts_score_higher_than_good_ones(fusion):
    fitted = detector(fusion=fusion).fit(parts(9))
    good = fitted.score_samples(parts(5, first=30))
    bad = fitted.score_samples([part(seed, kind) for kind in ("dent", "hole", "contamination") for seed in (40, 41)])
    assert (bad[:, None] > good).mean() > 0.9


def test_all_ways_to_ask_agree(model):
    scores = model.score_samples(TEST)
    inspections = [model.explain(sample) for sample in TEST]
    np.testing.assert_array_equal(scores, [found.score for found in inspections])
    assert model.predict(TEST).tolist() == [-1 if found.defective else 1 for found in inspections]
    for heat, found in zip(model.predict_map(TEST), inspections, strict=True):
        assert np.array_equal(heat, found.map)
    np.testing.assert_array_equal(model.p_values(TEST), [found.p_value for found in inspections])
    assert_same(model.explain(TEST[4]), inspections[4])


def test_maps_take_no_inspection_and_as_many_processes_as_there_may_be(model, monkeypatch):
    monkeypatch.setattr(M3DM, "explain", None)
    expected = model.predict_map(TEST)
    with joblib.parallel_config(n_jobs=2):
        assert_same(model.predict_map(TEST), expected)


def test_transformed_parts_are_means_of_their_patches(model):
    rows = model.transform(TEST)
    widths = [model.normal_.memories[bank].features.shape[1] for bank in model.banks_]
    assert rows.shape == (6, sum(widths))
    patches = model.transform_patches(TEST[2])
    assert list(patches) == list(model.banks_)
    np.testing.assert_allclose(rows[2], np.concatenate([found.mean(0) for found in patches.values()]), rtol=1e-5)


def test_wide_maps_are_smooth_and_sharp_ones_are_not():
    kept = detector(config=replace(CONFIG, held_out=0)).fit(parts(4))
    rough = []
    for sigma in (0.0, 2.0, 8.0):
        kept.fitted_ = replace(kept.fitted_, config=replace(CONFIG, smoothing=sigma))
        rough.append(kept.explain(TEST[4]).map)
    steps = [np.abs(np.diff(heat)).max() for heat in rough]
    assert steps[0] > steps[1] > steps[2]


# Thresholds


@pytest.mark.parametrize("parts_aside, rate", [(19, 0.05), (19, 0.1), (9, 0.2), (39, 0.05)])
def test_the_stated_rate_of_false_alarms_holds(model, parts_aside, rate):
    fitted = replace(model.fitted_, config=replace(CONFIG, false_alarm_rate=rate))
    generator = np.random.default_rng(0)
    alarms = []
    for _ in range(400):
        scores = generator.gamma(2, 1, parts_aside + 25)
        aside = scores[:parts_aside]
        limit = replace(fitted, scores=aside, peaks=aside).threshold
        assert limit.certified <= rate
        alarms.append((scores[parts_aside:] > limit.value).mean())
    assert np.mean(alarms) == pytest.approx(limit.certified, abs=4 * np.std(alarms) / np.sqrt(400))


@pytest.mark.parametrize("parts_aside", [1, 3, 18])
def test_few_parts_certify_no_small_rate_and_say_so(model, parts_aside):
    scores = np.arange(parts_aside, dtype=float)
    fitted = replace(model.fitted_, scores=scores, peaks=scores + 7)
    assert fitted.threshold.certified == fitted.map_threshold.certified == 1 / (parts_aside + 1)
    assert not fitted.threshold.holds
    assert fitted.threshold.value == parts_aside - 1
    assert fitted.map_threshold.value == parts_aside + 6
    assert "not the 5 % asked for: that takes 19" in fitted.threshold.about()


def test_a_score_at_the_threshold_is_no_alarm():
    aside = parts(3, first=50)
    model = detector().fit(parts(6), validation=aside)
    scores = model.score_samples(aside)
    assert model.threshold_.value == scores.max()  # to the last bit
    assert model.predict(aside).tolist() == [1, 1, 1]
    assert [model.explain(sample).defective for sample in aside] == [False] * 3


def test_what_is_certified_is_told(model):
    assert model.describe()["threshold"] == model.threshold_.about()
    told = detector().fit(parts(4)).describe()["threshold"]
    assert told.startswith("1 held-out part certifies at most 50 % of false alarms, not the 5 % asked for")
    bare = detector(config=replace(CONFIG, held_out=0)).fit(parts(3))
    assert bare.describe()["threshold"] == "no good part certifies one"


def test_a_part_set_aside_that_is_nothing_like_the_others_is_named():
    odd = replace(part(104), rgb=np.zeros_like(part(104).rgb), name="black")
    told = detector().fit(parts(6), validation=[*parts(4, first=100), odd]).report_
    assert [line.partition(",")[0] for line in told] == ["it is doubtful that black"]
    assert detector().fit(parts(6), validation=parts(4, first=100)).report_ == []


def test_what_is_set_aside_is_looked_at_before_anything_is_learnt(monkeypatch):
    monkeypatch.setattr("latticework.anomaly.learning.learn", lambda *given, **options: pytest.fail("it was learnt"))
    with pytest.raises(InputError, match="damaged"):
        detector().fit(
            parts(3), validation=[part(100), part(101, xyz=np.full((SIZE, SIZE, 3), np.nan), name="damaged")]
        )


def test_good_parts_in_the_long_run(model):
    """Real scores of parts that were drawn alike, none of which is special: alarms are beta-binomial."""
    more = detector(("colour", "form")).fit(parts(8), validation=parts(19, first=100))
    alarms = (more.predict(parts(40, first=200)) == -1).sum()
    assert more.threshold_.certified == pytest.approx(0.05)
    assert alarms <= betabinom.ppf(0.99, 40, 1, 19)


def test_without_parts_set_aside_nothing_can_be_decided():
    bare = detector(config=replace(CONFIG, held_out=0)).fit(parts(3))
    assert bare.threshold_ is bare.map_threshold_ is None
    assert len(bare.score_samples(TEST[:1])) == 1
    for ask in (bare.predict, bare.p_values):
        with pytest.raises(InputError, match=r"no score of a held-out part|no good part certifies a threshold"):
            ask(TEST[:1])


# More parts


def test_more_parts_join_the_banks_and_keep_their_numbers():
    grown = detector(coreset=1.0).fit(parts(4), validation=parts(2, first=50))
    before = {bank: memory.features.copy() for bank, memory in grown.normal_.memories.items()}
    threshold = grown.threshold_
    assert grown.partial_fit(parts(4, first=10)) is grown
    train = grown.parts_[4:]
    assert grown.parts_[:4] == [f"part {number}" for number in range(4)]
    assert len(train) == 3
    assert len(grown.fitted_.sizes) == len(grown.parts_) == 7
    assert grown.threshold_.parts == threshold.parts + 1
    for bank, memory in grown.normal_.memories.items():
        kept = {row.tobytes() for row in memory.features}
        assert {row.tobytes() for row in before[bank]} <= kept
    for name in grown.parts_:
        for bank in grown.explain(part(int(name.split()[1]))).banks:
            assert bank.nearest.part == name
            assert bank.nearest.distance == 0


def test_what_was_unusual_is_normal_once_it_was_learnt():
    model = detector(coreset=1.0).fit(parts(6))
    strange = [replace(part(seed, "stain"), label=None, truth=None, name=f"stained {seed}") for seed in range(40, 48)]
    before = model.score_samples(strange)
    model.partial_fit(strange)
    learned = [int(name.split()[1]) - 40 for name in model.parts_[6 - 2 :] if name.startswith("stained")]
    assert (model.score_samples(strange)[learned] < before[learned]).all()


def test_more_parts_are_as_many_entries_as_a_fit_of_all():
    grown = detector(config=replace(CONFIG, held_out=0), coreset=0.2).fit(parts(3)).partial_fit(parts(3, first=3))
    whole = detector(config=replace(CONFIG, held_out=0), coreset=0.2).fit(parts(6))
    for bank in BANKS:
        assert len(grown.normal_.memories[bank]) == len(whole.normal_.memories[bank])


@pytest.mark.parametrize(
    "bad, said",
    [
        ([part(4, xyz=None)], "part 4 has no xyz"),
        ([part(11), part(40, "dent")], "dent 40 is labelled as defective"),
        ([], "there are no parts"),
    ],
)
def test_where_more_parts_are_refused_nothing_changes(model, tmp_path, bad, said):
    model.save(tmp_path / "before")
    with pytest.raises(InputError, match=said):
        model.partial_fit(bad)
    model.save(tmp_path / "after")
    assert contents(tmp_path / "after") == contents(tmp_path / "before")


def test_a_bad_part_among_those_set_aside_changes_nothing_either(tmp_path):
    for seed in range(6):  # which of them is set aside follows from the seed
        fitted = detector(random_state=seed).fit(parts(3))
        fitted.save(tmp_path / f"before {seed}")
        with pytest.raises(InputError, match="no xyz"):
            fitted.partial_fit([part(10), part(11), part(12, xyz=None), part(13)])
        fitted.save(tmp_path / f"after {seed}")
        assert contents(tmp_path / f"after {seed}") == contents(tmp_path / f"before {seed}")


@pytest.mark.parametrize(
    "given, aside, said", [(parts(3, first=9), [part(4, xyz=None)], "part 4 has no xyz"), ([], None, "are no parts")]
)
def test_a_refit_that_fails_leaves_the_detector_as_it_was(tmp_path, given, aside, said):
    fitted = detector().fit(parts(4))
    fitted.save(tmp_path / "before")
    with pytest.raises(InputError, match=said):
        fitted.fit(given, validation=aside)
    fitted.save(tmp_path / "after")
    assert contents(tmp_path / "after") == contents(tmp_path / "before")


def test_the_first_parts_may_come_as_more():
    assert_same(detector().partial_fit(parts(5)).explain(TEST[4]), detector().fit(parts(5)).explain(TEST[4]))


# Saved, spread and cached


def test_a_loaded_detector_learns_on_as_the_saved_one(tmp_path):
    fitted = detector().fit(parts(5))
    fitted.save(tmp_path / "model")
    loaded = lw.load(tmp_path / "model")
    for each in (fitted, loaded):
        each.partial_fit(parts(3, first=20))
    assert_same([loaded.explain(sample) for sample in TEST], [fitted.explain(sample) for sample in TEST])
    assert loaded.parts_ == fitted.parts_
    assert loaded.fitted_.sizes == fitted.fitted_.sizes
    assert loaded.report_ == fitted.report_


def test_a_saved_detector_fuses_as_it_was_fitted(tmp_path):
    fitted = detector(fusion="max").fit(parts(5))
    scores = fitted.score_samples(TEST)
    fitted.set_params(fusion="quantile").save(tmp_path / "model")
    np.testing.assert_array_equal(lw.load(tmp_path / "model").score_samples(TEST), scores)


@pytest.mark.parametrize(
    "other", [{"size": 96}, {"false_alarm_rate": 0.4}, {"mode": "paper"}, {"worst": 1, "smoothing": 0.0}]
)
def test_a_saved_detector_goes_by_the_figures_it_was_fitted_with(tmp_path, other):
    fitted = detector().fit(parts(6)).set_params(config=replace(CONFIG, **other))
    fitted.save(tmp_path / "model")
    loaded = lw.load(tmp_path / "model")
    assert loaded.config == fitted.config
    assert loaded.threshold_ == fitted.threshold_
    assert_same(loaded.explain(TEST[3]), fitted.explain(TEST[3]))


def test_what_belongs_to_a_machine_is_not_saved_and_may_be_changed(tmp_path):
    gone, there = tmp_path / "gone", tmp_path / "there"
    for folder in (gone, there):
        folder.mkdir()
    cached = replace(CONFIG, memory=0, cache_folder=str(gone))
    fitted = detector(config=cached).fit(parts(4))
    fitted.save(tmp_path / "model")
    gone.rmdir()
    with pytest.raises(InputError, match="gone"):
        fitted.partial_fit(parts(2, first=20))
    assert str(gone) not in (tmp_path / "model/config.json").read_text()
    loaded = lw.load(tmp_path / "model", device="cpu")
    assert loaded.config == loaded.fitted_.config == CONFIG
    moved = replace(cached, cache_folder=str(there))
    for model in (loaded, fitted.set_params(config=moved), loaded.set_params(config=moved)):
        more = model.partial_fit(parts(2, first=20 + 2 * len(model.parts_)))
        assert more.fitted_.config == model.config


def test_several_processes_learn_the_same_bytes(tmp_path):
    detector(("colour", "geometry")).fit(parts(4)).save(tmp_path / "one")
    with joblib.parallel_config(n_jobs=2):
        spread = detector(("colour", "geometry")).fit(parts(4))
        scores = spread.score_samples(TEST[:3])
    spread.save(tmp_path / "two")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    np.testing.assert_array_equal(scores, spread.score_samples(TEST[:3]))


def test_features_on_a_disk_make_nearly_the_same_detector(tmp_path):
    cached = replace(CONFIG, memory=0, cache_folder=str(tmp_path))
    one, two = detector(coreset=1.0).fit(parts(5)), detector(coreset=1.0, config=cached).fit(parts(5))
    np.testing.assert_allclose(two.score_samples(TEST), one.score_samples(TEST), rtol=0.05)
    assert two.predict(TEST).tolist() == one.predict(TEST).tolist()
    for heat, other in zip(two.predict_map(TEST), one.predict_map(TEST), strict=True):
        assert np.corrcoef(heat.ravel(), other.ravel())[0, 1] > 0.99
    two.partial_fit(parts(2, first=20))
    assert not list(tmp_path.iterdir())


def test_another_seed_sets_other_parts_aside():
    kept = {tuple(detector(("form",), random_state=seed).fit(parts(8)).parts_) for seed in range(5)}
    assert len(kept) > 1


@pytest.mark.parametrize("random_state", [np.random.default_rng(0), None])
def test_any_random_state_will_do(random_state):
    assert len(detector(("form",), random_state=random_state).fit(parts(4)).parts_) == 3


# Folders


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    (root,) = generate(
        tmp_path_factory.mktemp("synth") / "made",
        seed=3,
        family="superellipsoid",
        good=6,
        validation=3,
        test_good=3,
        per_defect=1,
        contrast="easy",
        size=SIZE,
    )
    return root


def test_a_folder_is_all_it_takes(folder, tmp_path):
    fitted = detector().fit(folder)
    assert len(fitted.parts_) == 6
    assert fitted.parts_[0].startswith("train/good/")
    assert fitted.threshold_.parts == 3
    found = fitted.evaluate(folder)
    assert len(found.names) == 12
    assert set(found.labels) == {"good", *(path.name for path in (folder / "test").iterdir())}
    assert found.figures.image.auroc > 0.8
    assert found.figures.aupro[0.3] > 0.5
    np.testing.assert_array_equal(fitted.score_samples(str(folder)), found.scores)
    assert fitted.predict_map(folder)[0].shape == (SIZE, SIZE)
    file = read_folder(folder, split="test")[0].rgb
    assert isinstance(fitted.explain(file), Inspection)
    assert fitted.explain(str(file)).score == found.scores[0]
    json.dumps(found.as_dict(), allow_nan=False)
    fitted.save(tmp_path / "model")
    assert_same(lw.load(tmp_path / "model").evaluate(Path(folder)).scores, found.scores)


def test_the_unit_of_the_fit_is_that_of_paths(folder, tmp_path):
    for kind in ("train/good", "test/good", "test/dent"):
        (tmp_path / kind).mkdir(parents=True)
        for found in read_folder(folder / kind):
            shutil.copy(found.rgb, tmp_path / kind)
            np.save(tmp_path / kind / f"{found.name}.npy", found.read().xyz * 1000)
    expected = detector().fit(folder / "train")
    fitted = detector().fit(read_folder(tmp_path, split="train", unit="mm"))
    assert (expected.unit_, fitted.unit_, fitted.describe()["unit"]) == ("m", "mm", "mm")
    fitted.save(tmp_path / "model")
    for model in (fitted, lw.load(tmp_path / "model")):
        assert model.unit_ == "mm"
        scores = expected.score_samples(folder)
        kept = [row for row, found in enumerate(read_folder(folder, split="test")) if found.label in ("dent", "good")]
        np.testing.assert_allclose(model.score_samples(tmp_path), scores[kept], rtol=1e-3)
        assert_same(model.score_samples(tmp_path / "test"), model.evaluate(tmp_path).scores)
    for ending in ("png", "npy"):  # beside each other
        dent = fitted.explain(tmp_path / f"test/dent/000.{ending}")
        assert dent.score == fitted.score_samples(tmp_path)[0]
    assert fitted.transform_patches(tmp_path / "test/dent/000.png").keys() == set(BANKS)
    own = read_folder(folder, split="test")  # these say their own unit, metres
    np.testing.assert_allclose(model.score_samples(own), scores, rtol=1e-3)
    assert fitted.partial_fit(tmp_path / "test/good").unit_ == "mm"


def test_a_unit_that_was_kept_is_one(model):
    state = model.to_state()
    assert state.values["unit"] == "m"
    for wrong in ("inch", None, 3, []):
        state.values["unit"] = wrong
        with pytest.raises(InputError, match="the model is damaged"):
            M3DM(config=CONFIG).from_state(state)


def test_what_holds_for_many_parts_is_said_once():
    pictures = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    samples = [Sample.of(rgb=rgb, name=f"noise {number}") for number, rgb in enumerate(pictures)]
    with pytest.warns(UserWarning, match="no background") as caught:
        detector(None, config=replace(CONFIG, held_out=0)).fit(samples)
    first, more = (str(warning.message).split(": ")[0] for warning in caught)
    assert (first, more) == ("noise 0", "3 more parts")
    assert {warning.filename for warning in caught} == {__file__}


def test_more_of_a_folder(folder):
    fitted = detector().fit(parts(3), validation=parts(2, first=50)).partial_fit(folder)
    assert (len(fitted.parts_), fitted.threshold_.parts) == (7, 4)  # a share of its train; its validation is for `fit`


# As published


@pytest.fixture
def tiny(monkeypatch):
    """Small encoders with drawn weights in the place of those that files have."""
    made = Pretrained(vit=encoders.vit(), point_mae=encoders.encoder())
    asked = []

    def load(**options):
        asked.append(options)
        return made

    monkeypatch.setattr(Pretrained, "load", load)
    quick = replace(fitting.EMBEDDED, steps=20, warmup_steps=5, validate_every=10)
    monkeypatch.setattr(fitting, "FusionConfig", lambda: quick)
    monkeypatch.setattr(fitting, "EMBEDDED", quick)
    return asked


def scores_by_equation_seven(model, sample):
    found = {bank.bank: bank for bank in model.explain(sample).banks}
    patches = model.transform_patches(sample)
    for bank, rows in patches.items():
        entries = model.normal_.memories[bank].features
        assert found[bank].score == pytest.approx(literal_score(entries, rows, 3), rel=1e-4), bank
    return list(found)


def test_the_papers_mode_on_handcrafted_features():
    paper = M3DMConfig(size=SIZE, mode="paper")
    model = detector(("colour", "geometry"), config=paper, fusion="ocsvm", coreset=0.4).fit(parts(5))
    assert scores_by_equation_seven(model, part(41, "dent")) == ["colour", "geometry"]
    bad = [part(seed, kind) for kind in ("hole", "contamination") for seed in range(40, 43)]
    assert np.median(model.score_samples(bad)) > np.median(model.score_samples(parts(6, first=30)))
    assert paper.sigma == 4
    default = detector(("colour", "geometry"), fusion="ocsvm", coreset=0.4).fit(parts(5))
    assert default.normal_.memories["colour"].features.shape[1] != 9
    assert model.normal_.memories["colour"].features.shape[1] == 9  # every channel, no place


def test_the_papers_mode_on_trained_encoders(tiny, tmp_path):
    paper = M3DMConfig(size=SIZE, mode="paper", vit="vit.pth", point_mae="points.pth")
    model = detector(None, config=paper, features="pretrained", fusion="ocsvm", coreset=0.05).fit(parts(4))
    assert tiny == [{"vit": "vit.pth", "point_mae": "points.pth", "device": "cpu"}]
    assert model.banks_ == ("colour", "geometry", "fusion")
    assert scores_by_equation_seven(model, part(41, "dent")) == ["colour", "geometry", "fusion"]
    found = model.explain(part(41, "dent"))
    assert found.map.shape == (SIZE, SIZE)
    assert np.isfinite(found.map).all()
    model.save(tmp_path / "model")
    loaded = lw.load(tmp_path / "model")
    assert len(tiny) == 1  # weights come from the model's own folder
    assert_same(loaded.explain(part(41, "dent")), found)


def test_trained_encoders_in_the_default_mode(tiny):
    model = detector(None, features="pretrained").fit(parts(6))
    assert model.banks_[:2] == ("colour", "geometry")
    assert model.report_
    found = model.explain(part(41, "hole"))
    assert found.banks[1].nearest.distance > 0
    train = [int(name.split()[1]) for name in model.parts_]
    assert model.normal_.memories["geometry"].where[:, 1].max() > 8  # on a grid twice as fine
    assert len(train) == len(model.fitted_.sizes)


@pytest.mark.parametrize("has, bank", [("rgb", "colour"), ("xyz", "geometry")])
def test_one_trained_encoder_is_enough_for_its_bank(tiny, monkeypatch, has, bank):
    lone = Pretrained(vit=encoders.vit()) if has == "rgb" else Pretrained(point_mae=encoders.encoder())
    monkeypatch.setattr(Pretrained, "load", lambda **options: lone)
    lacks = {"xyz" if has == "rgb" else "rgb": None}
    model = detector(None, features="pretrained").fit(parts(4, **lacks))
    assert model.banks_ == (bank,)
    assert np.isfinite(model.score_samples([part(30, **lacks)])).all()


def test_pretrained_needs_weights():
    with pytest.raises(InputError, match="weights"):
        detector(None, features="pretrained").fit(parts(2))


# Settings


@pytest.mark.parametrize(
    "options, named",
    [
        ({"banks": ()}, "banks="),
        ({"banks": "colour"}, "banks='colour'"),
        ({"banks": ("colour", "smell")}, "banks="),
        ({"banks": 3}, "banks=3"),
        ({"banks": [["colour"]]}, "banks="),
        ({"banks": ("fusion", "geometry")}, "a fusion bank"),
        ({"banks": ("fusion", "colour")}, "a fusion bank"),
        ({"banks": ("texture",), "features": "pretrained"}, "banks=|weights"),
        ({"fusion": "mean"}, "fusion='mean'"),
        ({"features": "learned"}, "features='learned'"),
        ({"coreset": 0}, "coreset=0"),
        ({"coreset": 1.5}, "coreset=1.5"),
        ({"coreset": "all"}, "coreset='all'"),
        ({"config": {"size": 64}}, "config: expected an M3DMConfig, got dict$"),
        ({"config": "paper"}, "config: expected an M3DMConfig, got str$"),
        ({"device": "toaster"}, "device='toaster'"),
        ({"random_state": "luck"}, "random_state"),
    ],
)
def test_parameters_are_checked(options, named):
    model = detector(**options)
    with pytest.raises(InputError, match=named):
        model.fit(parts(3))
    assert not hasattr(model, "normal_")


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "fast"},
        {"size": 0},
        {"size": 100},
        {"size": 16},
        {"held_out": 1.0},
        {"held_out": -0.1},
        {"false_alarm_rate": 0},
        {"false_alarm_rate": 1},
        {"places": -1},
        {"components": 0},
        {"smoothing": -1},
        {"smoothing": 51},
        {"worst": 0},
        {"pieces": 2},
        {"memory": -1},
        {"memory": 0.5},
        {"vit": 3},
        {"cache_folder": b"folder"},
    ],
)
def test_figures_are_checked(wrong):
    [name] = wrong
    with pytest.raises(InputError, match=name):
        M3DMConfig(**wrong)


def test_numbers_of_numpy_and_paths_can_be_saved(tmp_path):
    paths = {"point_mae": tmp_path / "points.pth", "vit": tmp_path / "vit.pth"}
    config = M3DMConfig(size=np.int64(64), worst=np.int32(2), places=np.float32(0.5), **paths)
    detector(("form",), config=config).fit(parts(3)).save(tmp_path / "model")
    assert lw.load(tmp_path / "model").config == config


def test_figures_of_the_config_matter():
    bent, good = part(40, "bend"), part(30)
    scores = []
    for places in (0.0, 2.0):
        model = detector(("geometry",), config=replace(CONFIG, places=places, held_out=0), coreset=1.0).fit(parts(6))
        scores.append(model.explain(bent).banks[0].score - model.explain(good).banks[0].score)
        assert model.normal_.representation.whitenings["geometry"].matrix.shape[0] == (92 if places == 0 else 96)
    assert scores[0] != scores[1]
    few = detector(("colour",), config=replace(CONFIG, components=5)).fit(parts(4))
    assert few.normal_.representation.whitenings["colour"].own == 5
    worst = [
        detector(("form",), config=replace(CONFIG, worst=count, held_out=0)).fit(parts(3)).explain(bent).banks[0].score
        for count in (1, 3, 30)
    ]
    assert worst[0] > worst[1] > worst[2] > 0


def test_it_is_what_the_package_offers():
    assert M3DM().get_params() == {
        "banks": None,
        "fusion": None,
        "features": "handcrafted",
        "coreset": 0.1,
        "config": None,
        "random_state": None,
        "device": "auto",
    }
