"""Saved models: what was learned comes back, and what is damaged is refused, or harmless."""

import copy
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from cases import assert_same
from mediation.conftest import SHORTER, SMALL, fitted

import latticework as lw
from latticework.core import InputError
from latticework.core.persistence import State, read_folder, write_folder
from latticework.mediation import BIMA, BasisDecomposition


def test_the_learned_answers_do_not_depend_on_being_saved(models, tmp_path):
    for model in models:
        model.save(tmp_path / type(model).__name__)
        loaded = lw.load(tmp_path / type(model).__name__)
        for name in ("nie_", "nde_", "te_", "alpha_", "beta_", "nu_", "effect_", "pip_", "eta_"):
            assert_same(getattr(loaded, name), getattr(model, name))
        pd.testing.assert_frame_equal(loaded.effects_table_, model.effects_table_)


def test_a_thresholded_model_that_was_loaded_says_what_it_cannot_do(thresholded, tmp_path):
    thresholded.save(tmp_path)
    with pytest.raises(InputError, match="a threshold needs the images, which a saved model does not keep"):
        lw.load(tmp_path).sensitivity()


def test_a_basis_kept_in_a_path_is_saved(tmp_path):
    basis = BasisDecomposition(n_components=12, cache=tmp_path / "bases")
    fitted(BIMA(basis, **SHORTER), SMALL).save(tmp_path / "model")
    assert lw.load(tmp_path / "model").basis.cache == str(tmp_path / "bases")


@pytest.mark.parametrize("change", [{"threshold": 0.5}, {"propagate": True}])
def test_what_was_fitted_is_saved_and_not_what_the_options_are_since(models, tmp_path, change):
    model = next(copy.copy(one) for one in models if set(change) <= set(one.get_params()))
    model.set_params(**change).save(tmp_path)
    loaded = lw.load(tmp_path)
    assert loaded.get_params()[next(iter(change))] == change[next(iter(change))]
    assert loaded.method_ == model.method_ != model._method()


WRONG = (None, "x", -1, 0, 1e300, [], {}, [None], True)


def paths_in(value, path=()):
    """Where each value stands in nested ones."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield (*path, key)
            yield from paths_in(item, (*path, key))


def altered(values, path, wrong):
    """Nested values with another one at a place."""
    damaged = copy.deepcopy(values)
    place = damaged
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = wrong
    return damaged


def test_damaged_values_of_a_saved_model_are_refused_or_harmless(models, tmp_path):
    model = models[0]
    model.save(tmp_path / "whole")
    header, state = read_folder(tmp_path / "whole")
    values = json.loads(json.dumps(state.values))
    rng = np.random.default_rng(0)
    cases = [(path, wrong) for path in paths_in(values) for wrong in WRONG]
    for number in rng.permutation(len(cases))[:150]:
        path, wrong = cases[number]
        loads(tmp_path / "damaged", header, State(altered(values, path, wrong), state.tensors, state.files))


def test_damaged_numbers_of_a_saved_model_are_refused_or_harmless(models, tmp_path):
    model = models[0]
    model.save(tmp_path / "whole")
    header, state = read_folder(tmp_path / "whole")
    for group, tensors in state.tensors.items():
        for name, array in tensors.items():
            array = np.asarray(array)
            for wrong in (array[:-1], array[None], array.astype(np.float32), np.zeros(0), array * 0, None):
                groups = {key: dict(items) for key, items in state.tensors.items()}
                if wrong is None:
                    del groups[group][name]
                else:
                    groups[group][name] = np.ascontiguousarray(wrong)
                loads(tmp_path / "damaged", header, State(state.values, groups, state.files))


def loads(folder, header, state):
    """Check that a folder with such a state is read, or refused with one error."""
    write_folder(folder, header={"kind": "model", "class": header["class"], "parameters": header["parameters"]},
                 state=state)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = lw.load(folder)
        except InputError:
            return
        model.describe()
        model.select("rope")
        if model.space_ is not None:
            model.to_nifti(folder.with_name("maps"))


def test_damage_to_a_saved_model_on_a_grid_is_refused_or_its_maps_can_be_written(volume, tmp_path):
    volume.save(tmp_path / "whole")
    header, state = read_folder(tmp_path / "whole")
    values = json.loads(json.dumps(state.values))
    rng = np.random.default_rng(0)
    cases = [
        (("header", *path), wrong)
        for path in paths_in(values["header"])
        for wrong in (*WRONG, 9.0, -1.0, 1e300, 0.5, float("nan"), float("inf"))
    ]
    for number in rng.permutation(len(cases))[:60]:
        loads(tmp_path / "damaged", header, State(altered(values, *cases[number]), state.tensors, state.files))
    for wrong in (np.zeros((4, 4)), np.full((4, 4), 1e300), np.eye(3)):
        groups = {key: dict(items) for key, items in state.tensors.items()}
        groups["data"]["affine"] = wrong
        loads(tmp_path / "damaged", header, State(state.values, groups, state.files))


@pytest.mark.parametrize(
    "path, wrong, told",
    [
        (("header",), {"pixdim": [1.0, 2.0, 2.0, 3.0]}, "'qform_code' of a header is"),
        (("header", "srow_x"), [1.0], "'srow_x' of a header is"),
        (("header", "qform_code"), [1e300], "'qform_code' of a header is"),
        (("header", "sform_code"), [float("nan")], "'sform_code' of a header is"),
        (("thresholds",), [-0.1, 0.0], "thresholds are"),
        (("thresholds",), [float("nan"), 0.0], "thresholds are"),
        (("thresholds",), [0.1], "thresholds are"),
        (("propagate",), "yes", "propagate='yes'"),
        (("accepted",), [1.5, 0.5], "accepted shares are"),
        (("accepted",), [float("nan"), 0.5], "accepted shares are"),
        (("fitted_prior", "decay"), 0.5, "unexpected keyword argument 'decay'"),
        (("basis", "n_voxels"), 2**31 - 1, "each of the 2,147,483,647 voxels once"),
    ],
)
def test_saved_values_that_would_fail_later_are_refused_by_name(volume, tmp_path, path, wrong, told):
    volume.save(tmp_path / "whole")
    header, state = read_folder(tmp_path / "whole")
    about = {"kind": "model", "class": header["class"], "parameters": header["parameters"]}
    damaged = State(altered(state.values, path, wrong), state.tensors, state.files)
    write_folder(tmp_path / "damaged", header=about, state=damaged)
    with pytest.raises(InputError, match=told):
        lw.load(tmp_path / "damaged")


def test_a_quaternion_that_is_none_is_refused_where_it_says_where_voxels_are(volume, tmp_path):
    volume.save(tmp_path / "whole")
    header, state = read_folder(tmp_path / "whole")
    about = {"kind": "model", "class": header["class"], "parameters": header["parameters"]}
    values = altered(state.values, ("header", "quatern_b"), [9.0])
    for code, refused in ((1.0, False), (0.0, True)):
        values = altered(values, ("header", "sform_code"), [code])
        write_folder(tmp_path / "damaged", header=about, state=State(values, state.tensors, state.files))
        if refused:
            with pytest.raises(InputError, match="quaternion"):
                lw.load(tmp_path / "damaged")
        else:
            lw.load(tmp_path / "damaged").to_nifti(tmp_path / "maps")


def test_a_model_keeps_its_basis_without_numbers_that_nobody_knows(models):
    state = models[0].to_state()
    assert state.values["basis"] == {"names": ["left", "right"], "n_voxels": 64}
