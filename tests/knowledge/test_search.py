import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.knowledge import search
from latticework.knowledge.search import nearest


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(1, 12), st.sampled_from([1, 2]), st.booleans())
def test_answers_are_those_of_sorting_everything(seed, k, norm, coarse):
    generator = np.random.default_rng(seed)
    points, table = np.split(generator.integers(-2, 3, (13, 2)) if coarse else generator.standard_normal((13, 2)), [3])
    points, table = points.astype(np.float32), table.astype(np.float32)
    allowed = generator.random((3, 10)) < 0.7
    numbers, distances = nearest(points, table, allowed, k, norm=norm)
    for point, may, found, far in zip(points, allowed, numbers, distances, strict=True):
        every = np.linalg.norm((point - table).astype(np.float32), ord=norm, axis=1)
        order = [number for number in np.lexsort([np.arange(10), every.round(5)]) if may[number]][:k]
        assert found.tolist() == order
        np.testing.assert_allclose(far, every[found], rtol=1e-5)


def test_blocks_change_nothing(monkeypatch):
    generator = np.random.default_rng(0)
    points, table = generator.standard_normal((2, 9, 4)).astype(np.float32)
    whole = nearest(points, table, np.ones(9, bool), 3, norm=2)
    monkeypatch.setattr(search, "BLOCK", 20)
    parts = nearest(points, table, np.ones(9, bool), 3, norm=2)
    for one, other in zip(whole, parts, strict=True):
        assert all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def test_where_nothing_is_allowed_there_is_no_answer():
    numbers, _ = nearest(np.zeros((1, 2), np.float32), np.zeros((3, 2), np.float32), np.zeros(3, bool), 2, norm=2)
    assert numbers[0].tolist() == pytest.approx([])
