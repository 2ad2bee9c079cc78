"""The basis voxel by voxel is the dense one."""

import numpy as np
import pytest
from mediation.designs import basis_of_regions

from latticework.mediation import rows
from latticework.mediation.rows import Rows


@pytest.mark.parametrize("regions", [[(6, 3)], [(5, 2), (4, 3)], [(3, 1), (5, 4), (4, 2)]])
@pytest.mark.parametrize("few", [0, 2, 4, rows.FEW])  # by products, and compiled
def test_rows_are_those_of_the_dense_basis(regions, few, monkeypatch):
    monkeypatch.setattr(rows, "FEW", few)
    basis, rng = basis_of_regions(*regions), np.random.default_rng(1)
    laid_out, whole = Rows.of(basis), basis.expand(np.eye(basis.n_components)).T
    matrix = rng.standard_normal((basis.n_components, basis.n_components))
    for chosen in (np.arange(basis.n_voxels), np.array([5, 0, 2])):
        np.testing.assert_allclose(laid_out.dense(chosen), whole[chosen], atol=1e-12)
        own, moved = laid_out.products(matrix, chosen)
        np.testing.assert_allclose(own, np.diag(whole @ matrix @ whole.T)[chosen], atol=1e-12)
        assert bool(len(moved)) == (max(components for _, components in regions) > few)
        if len(moved):
            np.testing.assert_allclose(moved, whole[chosen] @ matrix, atol=1e-12)
    for count in range(basis.n_voxels + 1):
        effects = rng.standard_normal(basis.n_voxels) * (np.arange(basis.n_voxels) < count)
        np.testing.assert_allclose(laid_out.project(effects), effects @ whole, atol=1e-12)
