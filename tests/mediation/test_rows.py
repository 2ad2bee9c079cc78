"""The basis voxel by voxel is the dense one."""

import numpy as np
from mediation.confounded import Study

from latticework.mediation import rows


def test_rows_are_those_of_the_dense_basis(monkeypatch):
    study, rng = Study(10, 0, 8), np.random.default_rng(1)
    chosen = np.array([5, 0, 2])
    np.testing.assert_array_equal(study.rows.dense(chosen), study.q_matrix[chosen])
    matrix = rng.standard_normal((4, 4))
    expected = np.diag(study.q_matrix @ matrix @ study.q_matrix.T)
    for chosen in (np.arange(8), np.array([6, 1, 2])):
        for few in (0, rows.FEW):  # by products, and compiled
            monkeypatch.setattr(rows, "FEW", few)
            own, moved = study.rows.products(matrix, chosen)
            np.testing.assert_allclose(own, expected[chosen], atol=1e-12)
            if not few:
                np.testing.assert_allclose(moved, study.q_matrix[chosen] @ matrix, atol=1e-12)
