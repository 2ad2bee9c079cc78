"""From a study to draws: its basis, by the regions of the study."""

from dataclasses import replace

import numpy as np
import pytest
from mediation.conftest import SMALL, arguments_of

from latticework.mediation import BasisDecomposition, simulate, study_of
from latticework.mediation.stages import decomposition_of, default_basis


def test_regions_come_in_the_order_of_their_numbers_and_under_their_names():
    numbers = np.arange(64) // 5  # 13 of them: as text 10 comes before 2
    study = study_of(*arguments_of(SMALL), coordinates=SMALL.coordinates, regions=numbers)
    found = decomposition_of(study, BasisDecomposition())
    assert [block.name for block in found.basis_.blocks] == [str(number) for number in range(13)]
    np.testing.assert_array_equal(found.basis_.region_of_voxel, numbers)
    named = replace(study, region_names=tuple(f"area {name}" for name in reversed(study.region_names)))
    found = decomposition_of(named, BasisDecomposition())
    assert [block.name for block in found.basis_.blocks] == [f"area {number}" for number in reversed(range(13))]
    np.testing.assert_array_equal(found.basis_.region_of_voxel, numbers)


def test_regions_of_one_name_stay_apart():
    study = study_of(*arguments_of(SMALL), coordinates=SMALL.coordinates, regions=np.arange(64) % 3)
    found = decomposition_of(replace(study, region_names=("DMN", "SMN", "DMN")), BasisDecomposition())
    assert [block.name for block in found.basis_.blocks] == ["DMN (0)", "SMN", "DMN (2)"]
    assert list(found.explained_per_region_) == ["DMN (0)", "SMN", "DMN (2)"]


def test_regions_without_names_have_a_component_each():
    study = study_of(*arguments_of(SMALL), coordinates=SMALL.coordinates, regions=np.arange(64) % 20)
    with pytest.warns(UserWarning, match="20 regions, each of which has a component, for 50 subjects"):
        found = decomposition_of(replace(study, region_names=()), None)
    assert [block.name for block in found.basis_.blocks] == [str(number) for number in range(20)]


@pytest.mark.parametrize(
    "kernel, regions, expected",
    [
        ("matern", None, 80),
        ("modified_squared_exponential", None, 66),  # of two variables, to a total degree of 10
        ("matern", 2, 80),
        ("modified_squared_exponential", 2, 80),
    ],
)
def test_by_default_components_are_a_third_of_the_subjects_if_the_kernel_has_as_many(kernel, regions, expected):
    simulated = simulate(240, 20)
    labels = None if regions is None else np.arange(400) % regions
    study = study_of(*arguments_of(simulated), coordinates=simulated.coordinates, regions=labels)
    assert default_basis(study, kernel).n_components == expected
    assert decomposition_of(study, default_basis(study, kernel)).n_components_ == expected
