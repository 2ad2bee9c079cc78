import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latticework.knowledge.keys import merged

NUMBERS = st.sets(st.integers(0, 99), max_size=30)


@given(NUMBERS, NUMBERS)
def test_merging_is_set_arithmetic(before, after):
    add, remove = (np.array(sorted(some), dtype=np.int64) for some in (after - before, before - after))
    assert merged(np.array(sorted(before), dtype=np.int64), add=add[::-1], remove=remove).tolist() == sorted(after)
