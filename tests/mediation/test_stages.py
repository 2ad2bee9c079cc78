"""From a study to draws: its basis, by the regions of the study."""

from dataclasses import replace

import numpy as np
import pytest
from mediation.conftest import SMALL, arguments_of

from latticework.mediation import BasisDecomposition, study_of
from latticework.mediation.stages import decomposition_of


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
