import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.knowledge.search import nearest


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(1, 12), st.sampled_from([1, 2]), st.booleans())
def test_answers_are_those_of_sorting_everything(seed, k, norm, coarse):
    generator = np.random.default_rng(seed)
    rows = generator.integers(-2, 3, (11, 2)) if coarse else generator.standard_normal((11, 2))
    point, table = rows[0].astype(np.float32), rows[1:].astype(np.float32)
    may = generator.random(10) < 0.7
    found, far = nearest(point, table, may, k, norm=norm)
    every = np.linalg.norm((point - table).astype(np.float32), ord=norm, axis=1)
    order = [number for number in np.lexsort([np.arange(10), every.round(5)]) if may[number]][:k]
    assert found.tolist() == order
    np.testing.assert_allclose(far, every[found], rtol=1e-5)


def test_where_nothing_is_allowed_there_is_no_answer():
    numbers, far = nearest(np.zeros(2, np.float32), np.zeros((3, 2), np.float32), np.zeros(3, bool), 2, norm=2)
    assert len(numbers) == len(far) == 0
