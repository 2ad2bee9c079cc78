"""The checks every estimator must pass: inherit `EstimatorCases`, say how to make and fit one, and what to ask it."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import json
import re
import sys
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from numbers import Number
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from torch import cuda

import latticework as lw
from latticework.core.capability import estimator_class, estimator_key, estimator_references, register, resolve
from latticework.core.estimator import OF_MACHINES
from latticework.core.persistence import read_folder, write_folder

MAX_PARAMETERS = 8  # more belong in one config dataclass
OF_DEVICES = 0.01  # of the largest number: recurrences on a GPU may round what they multiply to 11 bits (TF32)
IMMUTABLE = (type(None), bool, int, float, str, tuple)


class EstimatorCases:
    """Common checks of one estimator, as a mixin for a test class.

    Override `make`, `fit_arguments` and `queries`, and list what is to be refused in `bad_fits` and `bad_inputs`.
    """

    capability = None  # one to register while the checks run, for an estimator that is not installed

    def make(self):
        """Return a new estimator with a fixed `random_state`, small enough to be fitted in a second or two."""
        raise NotImplementedError

    def fit_arguments(self):
        """Return the positional and the keyword arguments of `fit`."""
        raise NotImplementedError

    def queries(self):
        """Return the arguments for every public method that uses what was learned, by its name."""
        raise NotImplementedError

    def bad_fits(self):
        """Return names, what the error says (a pattern), and `(arguments, options)` of `fit`; at least one."""
        raise NotImplementedError

    def bad_inputs(self):
        """Return names, what the error says (a pattern), and functions of a fitted estimator; at least one."""
        raise NotImplementedError

    # Helpers

    def fit(self, estimator):
        arguments, options = self.fit_arguments()
        return estimator.fit(*arguments, **options)

    def fitted(self):
        """Return one fitted estimator for all checks of the class that only look at it."""
        if "_fitted" not in vars(type(self)):
            type(self)._fitted = self.fit(self.make())
        return type(self)._fitted

    def answers(self, estimator):
        return {method: getattr(estimator, method)(*arguments) for method, arguments in self.queries().items()}

    @pytest.fixture(autouse=True)
    def _registered(self):
        with register(self.capability) if self.capability else nullcontext():
            yield

    # Construction

    def test_constructor_only_stores_its_parameters(self):
        names = list(signature(self.make()))
        given = {name: object() for name in names}
        stored = vars(type(self.make())(**given))
        assert stored == given, "__init__ must assign every parameter, unchanged and unchecked, and nothing else"

    def test_constructor_has_few_parameters_with_immutable_defaults(self):
        parameters = signature(self.make())
        assert len(parameters) <= MAX_PARAMETERS
        for name, parameter in parameters.items():
            assert parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            default = parameter.default
            assert default is parameter.empty or isinstance(default, IMMUTABLE), name

    def test_clone_has_the_same_parameters_and_nothing_learned(self):
        copied = clone(self.fitted())
        assert_same(copied.get_params(deep=False), self.make().get_params(deep=False))
        assert learned(copied) == set()

    def test_set_params_sets_what_get_params_gives(self):
        estimator = self.make()
        for name, value in self.make().get_params(deep=False).items():
            other = object()
            assert estimator.set_params(**{name: other}) is estimator
            assert estimator.get_params(deep=False)[name] is other
            estimator.set_params(**{name: value})

    # Fitting

    def test_fit_returns_self_and_learns_attributes_with_an_underscore(self):
        estimator = self.make()
        assert learned(estimator) == set()
        before = copy.deepcopy(estimator.get_params(deep=False))
        assert self.fit(estimator) is estimator
        assert learned(estimator)
        odd = {name for name in vars(estimator).keys() - before.keys() if not name.startswith("_") and name[-1] != "_"}
        assert not odd, "what is learned ends in an underscore"
        assert_same(estimator.get_params(deep=False), before)

    def test_inputs_are_not_modified(self):
        (arguments, options), queries = self.fit_arguments(), self.queries()
        given = arguments, options, queries
        before = copy.deepcopy(given)
        estimator = self.make().fit(*arguments, **options)
        for method, query in queries.items():
            getattr(estimator, method)(*query)
        assert_same(given, before)

    def test_same_seed_gives_the_same_bytes_even_when_fitted_again(self, tmp_path):
        again = self.fit(self.fit(self.make()))
        assert_same(self.answers(again), self.answers(self.fitted()))
        self.fitted().save(tmp_path / "once")
        again.save(tmp_path / "again")
        assert contents(tmp_path / "again") == contents(tmp_path / "once")

    def test_refused_fit_raises_input_error_and_learns_nothing(self):
        bad_fits = list(self.bad_fits())
        assert bad_fits, "name at least one input that fit must refuse"
        for name, match, (arguments, options) in bad_fits:
            estimator = self.make()
            refused(name, match, lambda estimator=estimator, a=arguments, o=options: estimator.fit(*a, **o))
            assert learned(estimator) == set(), name

    # Use

    def test_unfitted_estimator_says_so(self, tmp_path):
        for method, arguments in self.queries().items():
            with pytest.raises(NotFittedError):
                getattr(self.make(), method)(*arguments)
        with pytest.raises(NotFittedError):
            self.make().save(tmp_path / "model")
        assert not (tmp_path / "model").exists()

    def test_every_common_method_is_compared(self):
        present = {name for name in ("predict", "transform", "score") if hasattr(self.fitted(), name)}
        assert present <= self.queries().keys()

    def test_transform_gives_a_finite_float_row_for_every_example(self):
        if not hasattr(self.fitted(), "transform"):
            return
        arguments = self.queries()["transform"]
        rows = self.fitted().transform(*arguments)
        assert type(rows) is np.ndarray
        assert np.issubdtype(rows.dtype, np.floating)
        assert rows.ndim == 2
        assert len(rows) == len(arguments[0])
        assert np.isfinite(rows).all()

    def test_bad_input_is_refused(self):
        bad_inputs = list(self.bad_inputs())
        assert bad_inputs, "name at least one question that must be refused"
        for name, match, use in bad_inputs:
            refused(name, match, lambda use=use: use(self.fitted()))

    # Saving

    def test_loaded_estimator_answers_as_the_saved_one(self, tmp_path):
        self.fitted().save(tmp_path)
        for load in (lw.load, type(self.fitted()).load, lw.Estimator.load):
            loaded = load(str(tmp_path))
            assert type(loaded) is type(self.fitted())
            assert_same(of_model(loaded), of_model(self.fitted()))
            assert_same(self.answers(loaded), self.answers(self.fitted()))
            assert loaded.describe() == self.fitted().describe()

    def test_device_and_processes_are_what_load_is_told_whatever_was_saved(self, tmp_path):
        self.fitted().save(tmp_path)
        header, state = read_folder(tmp_path)
        assert not header["parameters"].keys() & {*OF_MACHINES}
        older = {"device": "cuda:99", "n_jobs": 4096}
        header["parameters"] |= {name: older[name] for name in signature(self.fitted()).keys() & older.keys()}
        write_folder(tmp_path, header=header, state=state)
        for load in (lw.load, type(self.fitted()).load):
            for expected, options in (("auto", {}), ("cpu", {"device": "cpu"})):
                loaded = load(tmp_path, **options)
                assert getattr(loaded, "device", expected) == expected
                assert getattr(loaded, "n_jobs", None) is None
                assert_same(self.answers(loaded), self.answers(self.fitted()))
            with pytest.raises(lw.InputError, match=r"^device='cuda:99' is not on this machine"):
                load(tmp_path / "not looked for", device="cuda:99")

    def test_estimator_with_a_device_answers_on_a_gpu_and_saves_the_same_bytes(self, tmp_path):
        if "device" not in signature(self.fitted()):
            return
        device = a_gpu()
        self.fitted().save(tmp_path / "first")
        loaded = lw.load(tmp_path / "first", device=device)
        assert loaded.device == device
        given = loaded.get_params(deep=False)
        if "precision" in given:
            loaded.set_params(precision="32")
        found, expected = self.answers(loaded), self.answers(self.fitted())
        for method, answer in expected.items():
            assert type(found[method]) is type(answer), method
            if method in ("transform", "score"):
                most = OF_DEVICES * np.abs(answer).max()
                np.testing.assert_allclose(found[method], answer, rtol=0, atol=most, err_msg=method)
            assert all(np.isfinite(number).all() for number in numbers(found[method])), method
        loaded.set_params(**given).save(tmp_path / "second")
        assert contents(tmp_path / "second") == contents(tmp_path / "first")

    def test_loaded_estimator_saves_the_same_bytes(self, tmp_path):
        self.fitted().save(tmp_path / "first")
        lw.load(tmp_path / "first").save(tmp_path / "second")
        assert contents(tmp_path / "second") == contents(tmp_path / "first")

    def test_loading_as_another_class_is_refused(self, tmp_path):
        self.fitted().save(tmp_path)
        for parent in (lw.Estimator, type(self.fitted())):
            another = type("Another", (parent,), {})
            with pytest.raises(lw.InputError, match=f"{type(self.fitted()).__name__}, not Another"):
                another.load(tmp_path)

    def test_damage_to_any_saved_file_is_noticed(self, tmp_path):
        self.fitted().save(tmp_path)
        for path in sorted(tmp_path.iterdir()):
            good = path.read_bytes()
            for damaged in (good[:-1], good[: len(good) // 2], flipped(good)):
                path.write_bytes(damaged)
                refused(path.name, f"{re.escape(path.name)} .*: the folder is damaged", lambda: lw.load(tmp_path))
            path.write_bytes(good)
        lw.load(tmp_path)

    def test_description_is_strict_json(self):
        assert json.loads(json.dumps(self.fitted().describe(), allow_nan=False))

    def test_description_has_the_parameters_and_before_fit_nothing_else(self):
        assert self.make().describe().keys() == {"parameters"} <= self.fitted().describe().keys()

    def test_class_is_found_in_the_registry(self, tmp_path):
        key = estimator_key(type(self.fitted()))
        assert estimator_class(key) is type(self.fitted())
        self.fitted().save(tmp_path)
        assert json.loads((tmp_path / "config.json").read_bytes())["class"] == key


def a_gpu():
    """Return the name of a GPU; without one, skip the test."""
    if not cuda.is_available():
        pytest.skip("needs a GPU of NVIDIA's")
    return "cuda"


def signature(estimator):
    """Return the constructor's parameters without `self`."""
    return inspect.signature(type(estimator)).parameters


def of_model(estimator):
    """Return the parameters of an estimator but those that belong to a machine."""
    return {name: value for name, value in estimator.get_params(deep=False).items() if name not in OF_MACHINES}


def learned(estimator):
    """Return the names of what scikit-learn takes for learned: public ones with an underscore at the end."""
    return {name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")}


def refused(name, match, use):
    """Check that a use raises `InputError` with a message in which a pattern is found; say which one does not."""
    said = None
    try:
        use()
    except lw.InputError as error:
        said = str(error)
    assert said is not None, f"{name}: expected an InputError, nothing was raised"
    assert re.search(match, said), f"{name}: expected {match!r} in {said!r}"


def flipped(data):
    """Return data with one bit in the middle changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def contents(folder):
    """Return the bytes of every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def assert_same(found, expected):
    """Check that two values are equal to the last bit, through containers, dataclasses, arrays and parameters."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif is_dataclass(expected) and not isinstance(expected, type):
        for field in fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, BaseEstimator) and not isinstance(expected, type):
        assert_same(found.get_params(deep=False), expected.get_params(deep=False))
    elif hasattr(expected, "dtype"):
        assert found.dtype == expected.dtype
        one, other = np.asarray(found), np.asarray(expected)
        np.testing.assert_array_equal(one, other, strict=True)
        assert one.dtype.hasobject or one.tobytes() == other.tobytes(), "zeros of another sign, or other NaNs"
    elif isinstance(expected, float):
        assert found.hex() == expected.hex()  # NaN is the same as NaN
    else:
        assert found == expected


def numbers(value):
    """Yield the arrays and the numbers of a value, through containers and dataclasses."""
    if isinstance(value, dict):
        value = list(value.values())
    elif is_dataclass(value):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, list | tuple):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, Number) or np.issubdtype(getattr(value, "dtype", object), np.number):
        yield value


def classes_with_cases(folder):
    """Return the estimator classes for which pytest collects a subclass of `EstimatorCases` in a folder."""
    covered = set()
    for number, path in enumerate(sorted(Path(folder).rglob("test_*.py"))):
        if "Cases" not in path.read_text(encoding="utf-8"):
            continue
        spec = importlib.util.spec_from_file_location(f"_cases_{number}_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look themselves up there
        spec.loader.exec_module(module)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, EstimatorCases) and collected(value, module):
                covered.add(type(value().make()))
    return covered


def collected(kind, module):
    """Whether pytest takes a class of a module for tests."""
    named = kind.__module__ == module.__name__ and kind.__name__.startswith("Test")
    return named and kind.__init__ is object.__init__ and getattr(kind, "__test__", True)


def estimators_without_cases(covered):
    """Return the keys of the registered estimators that are not among the covered classes."""
    return {key for key, reference in estimator_references().items() if resolve(reference) not in covered}
