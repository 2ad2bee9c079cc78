"""The common checks fit estimators that are nothing like a network, they can fail, and no estimator goes without."""

import copy
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cases
import fakes
import numpy as np
import pytest
import torch
from cases import EstimatorCases, assert_same, classes_with_cases, estimators_without_cases
from sklearn.utils.estimator_checks import parametrize_with_checks

import latticework as lw
from latticework.core import Capability, InputError
from latticework.core.capability import register

POINTS = np.random.default_rng(0).normal(size=(40, 3))
TEXTS = ["das Haus", "ein Haus und ein Garten"]


class TestNeighbourBank(EstimatorCases):
    capability = fakes.CAPABILITY

    def make(self):
        return fakes.NeighbourBank(n_neighbors=2, bank_size=20, random_state=0)

    def fit_arguments(self):
        return (POINTS,), {}

    def queries(self):
        return dict.fromkeys(["predict", "transform", "score", "decision_function"], (POINTS[:7] + 0.5,))

    def bad_fits(self):
        yield "NaN", "^Input X contains NaN", ((np.full((3, 2), np.nan),), {})
        yield "one-dimensional", "^Expected 2D array, got 1D array", ((POINTS[0],), {})

    def bad_inputs(self):
        yield "too many columns", "^X has 4 features", lambda estimator: estimator.predict(np.zeros((2, 4)))
        yield "infinity", "^Input X contains infinity", lambda estimator: estimator.transform(np.full((2, 3), np.inf))


class TestLexicon(EstimatorCases):
    capability = fakes.CAPABILITY

    def make(self):
        return fakes.Lexicon(config=fakes.LexiconConfig(lowercase=False))

    def fit_arguments(self):
        return (list(TEXTS),), {}

    def queries(self):
        return {"transform": (["Haus Haus", ""],)}

    def bad_fits(self):
        yield "one text", "^expected a list of texts, got one text$", (("das Haus",), {})

    def bad_inputs(self):
        yield "one text", "^expected a list of texts, got one text$", lambda estimator: estimator.transform("das Haus")


@parametrize_with_checks([fakes.NeighbourBank(random_state=0)])
def test_scikit_learn_accepts_an_estimator_of_ours(estimator, check):
    check(estimator)


class Validating(fakes.NeighbourBank):
    def __init__(self, *, n_neighbors=1, bank_size=256, contamination=0.1, random_state=None):
        super().__init__(n_neighbors=int(n_neighbors), bank_size=bank_size, contamination=contamination)
        self.random_state = random_state


class Mutable(fakes.Lexicon):
    def __init__(self, *, config=[]):  # noqa: B006
        self.config = config


class Sticky(fakes.NeighbourBank):
    def __sklearn_clone__(self):
        return copy.deepcopy(self)


class Deaf(fakes.NeighbourBank):
    def set_params(self, **parameters):
        return self


class Destructive(fakes.NeighbourBank):
    def fit(self, X, y=None):
        super().fit(X)
        X *= 2
        return self


class Forgetful(fakes.NeighbourBank):
    def fit(self, X, y=None):
        super().fit(X)


class Careless(fakes.NeighbourBank):
    def fit(self, X, y=None):
        self.bank_ = X
        return super().fit(X)


class Chancy(fakes.NeighbourBank):
    def fit(self, X, y=None):
        super().fit(X)
        self.offset_ = float(np.random.default_rng().normal())
        return self


class Unmarked(fakes.NeighbourBank):
    def fit(self, X, y=None):
        self.seen = len(X)
        return super().fit(X)


class Lossy(fakes.NeighbourBank):
    def from_state(self, state):
        super().from_state(state)
        self.offset_ = round(self.offset_, 1)


class Losing(fakes.NeighbourBank):
    def from_state(self, state):
        super().from_state(state)
        self.offset_ = float("nan")

    def score(self, X, y=None):
        return self.offset_


class Unread(fakes.NeighbourBank):
    def to_state(self):
        state = super().to_state()
        state.tensors["unread"] = {"rows": self.bank_ + 1}
        return state


class Flat(fakes.NeighbourBank):
    def transform(self, X):
        return super().transform(X).ravel()

    def score_samples(self, X):
        return -super().transform(X).mean(axis=1)


class Guessing(fakes.NeighbourBank):
    def predict(self, X):
        return np.ones(len(X))


class Lenient(fakes.NeighbourBank):
    def _checked(self, X, *, reset):
        self.n_features_in_ = np.shape(X)[-1]
        return np.nan_to_num(np.resize(X, (len(X), 3)))


class Vague(fakes.NeighbourBank):
    def _checked(self, X, *, reset):
        try:
            return super()._checked(X, reset=reset)
        except InputError:
            raise InputError("this cannot be") from None


class Tired(fakes.NeighbourBank):
    loads_ = 0

    def to_state(self):
        state = super().to_state()
        state.values["loads"] = self.loads_
        return state

    def from_state(self, state):
        super().from_state(state)
        self.loads_ = state.values["loads"] + 1


class Trusting(fakes.NeighbourBank):
    @classmethod
    def load(cls, folder, *, device="auto"):
        return lw.load(folder, device=device)


class Portable(fakes.NeighbourBank):
    def __init__(self, *, n_neighbors=1, bank_size=256, contamination=0.1, random_state=None, device="auto"):
        super().__init__(n_neighbors=n_neighbors, bank_size=bank_size, contamination=contamination)
        self.random_state, self.device = random_state, device


class Coarse(Portable):
    def transform(self, X):
        return super().transform(X) * (1 if self.device == "auto" else 1.1)


class Shallow(Portable):
    def score(self, X, y=None):
        return super().score(X) + (0 if self.device == "auto" else 0.1)


class Overflowing(Portable):
    def decision_function(self, X):
        return super().decision_function(X) * (1 if self.device == "auto" else np.inf)


class Settled(Portable):
    def to_state(self):
        state = super().to_state()
        state.values["device"] = self.device
        return state

    def from_state(self, state):
        super().from_state(state)
        self.device = state.values["device"]


class Unasked(fakes.Lexicon):
    def predict(self, texts):
        return [max(text.split(), key=len, default="") for text in texts]


class Opaque(fakes.NeighbourBank):
    def describe(self):
        return {"bank": self.bank_}


class Curt(fakes.NeighbourBank):
    def describe(self):
        return {"remembered": 0}


class Unregistered(fakes.NeighbourBank):
    pass


BROKEN = [
    (Validating, "test_constructor_only_stores_its_parameters"),
    (Mutable, "test_constructor_has_few_parameters_with_immutable_defaults"),
    (Sticky, "test_clone_has_the_same_parameters_and_nothing_learned"),
    (Deaf, "test_set_params_sets_what_get_params_gives"),
    (Destructive, "test_inputs_are_not_modified"),
    (Forgetful, "test_fit_returns_self_and_learns_attributes_with_an_underscore"),
    (Unmarked, "test_fit_returns_self_and_learns_attributes_with_an_underscore"),
    (Careless, "test_refused_fit_raises_input_error_and_learns_nothing"),
    (Lenient, "test_refused_fit_raises_input_error_and_learns_nothing"),
    (Vague, "test_refused_fit_raises_input_error_and_learns_nothing"),
    (Lenient, "test_bad_input_is_refused"),
    (Vague, "test_bad_input_is_refused"),
    (Chancy, "test_same_seed_gives_the_same_bytes_even_when_fitted_again"),
    (Guessing, "test_unfitted_estimator_says_so"),
    (Unasked, "test_every_common_method_is_compared"),
    (Flat, "test_transform_gives_a_finite_float_row_for_every_example"),
    (Lossy, "test_loaded_estimator_answers_as_the_saved_one"),
    (Losing, "test_loaded_estimator_answers_as_the_saved_one"),
    (Settled, "test_device_and_processes_are_what_load_is_told_whatever_was_saved"),
    *[
        (broken, "test_estimator_with_a_device_answers_on_a_gpu_and_saves_the_same_bytes")
        for broken in (Settled, Coarse, Shallow, Overflowing)
    ],
    (Tired, "test_loaded_estimator_saves_the_same_bytes"),
    (Trusting, "test_loading_as_another_class_is_refused"),
    (Unread, "test_damage_to_any_saved_file_is_noticed"),
    (Opaque, "test_description_is_strict_json"),
    (Curt, "test_description_has_the_parameters_and_before_fit_nothing_else"),
    (Unregistered, "test_class_is_found_in_the_registry"),
]
CHECKS = [name for name in vars(EstimatorCases) if name.startswith("test_")]


@pytest.fixture
def run_check(tmp_path, monkeypatch):
    """Run one common check of an estimator class that stands in for one of `fakes`."""

    def run(estimator, check):
        given = TestLexicon if issubclass(estimator, fakes.Lexicon) else TestNeighbourBank

        class Cases(given):
            def make(self):
                return estimator(**given().make().get_params(deep=False))

            def fit_arguments(self):
                return copy.deepcopy(super().fit_arguments())

        monkeypatch.setattr(cases, "a_gpu", lambda: "cpu")  # stands in for one beside "auto"
        monkeypatch.setitem(sys.modules, "standing_in", SimpleNamespace(**{estimator.__name__: estimator}))
        declared = () if estimator is Unregistered else (f"standing_in:{estimator.__name__}",)
        method = getattr(Cases(), check)
        arguments = [tmp_path] if "tmp_path" in inspect.signature(method).parameters else []
        with register(Capability(name="standing-in", summary="stand in", estimators=declared)):
            method(*arguments)

    return run


@pytest.mark.parametrize("broken, check", BROKEN)
def test_a_common_check_fails_what_is_broken(broken, check, run_check):
    failures = (AssertionError, pytest.fail.Exception, InputError, TypeError, np.exceptions.AxisError)
    with pytest.raises(failures):
        run_check(broken, check)


@pytest.mark.parametrize("whole", [fakes.NeighbourBank, Portable, fakes.Lexicon])
@pytest.mark.parametrize("check", CHECKS)
def test_a_common_check_passes_what_is_whole(whole, check, run_check):
    run_check(whole, check)


def test_every_common_check_can_fail():
    assert {check for _, check in BROKEN} == set(CHECKS)


def test_every_registered_estimator_has_the_common_checks():
    assert estimators_without_cases(classes_with_cases(Path(__file__).parent)) == set()


def test_missing_common_checks_are_noticed():
    with register(fakes.CAPABILITY):
        assert "fake.NeighbourBank" in estimators_without_cases(set())
        covered = classes_with_cases(Path(__file__).parent)
        assert "fake.NeighbourBank" not in estimators_without_cases(covered)
        assert "fake.Lexicon" in estimators_without_cases(covered - {fakes.Lexicon})


def test_what_pytest_does_not_collect_covers_nothing(tmp_path):
    cases = """
import fakes
from cases import EstimatorCases

class {name}(EstimatorCases):
    def make(self):
        return fakes.Lexicon()
"""
    (tmp_path / "test_a.py").write_text(cases.format(name="LexiconCases"))
    imported = "import cases\nTestLexicon = type('TestLexicon', (cases.EstimatorCases,), {'__module__': 'of_another'})"
    (tmp_path / "test_b.py").write_text(imported)
    assert classes_with_cases(tmp_path) == set()
    (tmp_path / "test_a.py").write_text(cases.format(name="TestLexicon"))
    assert classes_with_cases(tmp_path) == {fakes.Lexicon}


@dataclass
class Answer:
    rows: list


@pytest.mark.parametrize(
    "found, expected",
    [
        (float("nan"), 0.93),
        (0.93, float("nan")),
        (-0.0, 0.0),
        (0.1 + 0.2, 0.3),
        (np.array(3.0), np.array([3.0, 3.0])),
        (np.array([3.0]), np.array([3.0, 3.0])),
        (np.array([-0.0]), np.array([0.0])),
        (np.float32(-0.0), np.float32(0.0)),
        (np.array([np.nan]), np.array([1.0])),
        (np.array([1, 2]), np.array([1.0, 2.0])),
        (np.array(["a", None], dtype=object), np.array(["a", "b"], dtype=object)),
        (torch.ones(2, 1), torch.ones(2)),
        (torch.ones(2), np.ones(2)),
        ({1, 2}, {1}),
        ("a", "b"),
        (1, True),
    ],
)
def test_what_is_not_the_same_to_the_last_bit_is_noticed(found, expected):
    for within in (lambda one: one, lambda one: {"a": [one]}, lambda one: (Answer([one]), 1)):
        assert_same(within(found), within(copy.deepcopy(found)))
        with pytest.raises(AssertionError):
            assert_same(within(found), within(expected))
