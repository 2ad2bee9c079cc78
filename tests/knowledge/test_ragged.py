from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latticework.knowledge.ragged import chunks, differing, offsets, ranges, replaced

ROWS = st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3), min_size=1, max_size=6)


def csr(rows):
    values = np.array([value for row in rows for value in row], dtype=np.int64).reshape(-1, 2)
    return offsets(np.array([len(row) for row in rows], dtype=np.int64)), values


@given(ROWS, st.data())
def test_replaced_rows_are_new_and_no_others(rows, data):
    new = data.draw(st.dictionaries(st.integers(0, len(rows) - 1), ROWS.map(lambda some: some[0])))
    changed = sorted(new)
    lengths = np.array([len(new[row]) for row in changed], dtype=np.int64)
    _, values = csr([new[row] for row in changed])
    indptr, result = replaced(*csr(rows), np.array(changed, dtype=np.int64), lengths, values)
    expected = csr([new.get(number, row) for number, row in enumerate(rows)])
    assert indptr.tolist() == expected[0].tolist()
    assert result.tolist() == expected[1].tolist()
    differ = differing(np.arange(len(rows)), csr(rows), (indptr, result)).tolist()
    assert differ == [new.get(number, row) != row for number, row in enumerate(rows)]


@given(ROWS.filter(any), st.data())
def test_a_row_of_which_one_number_is_another_differs_and_no_other(rows, data):
    indptr, values = csr(rows)
    place, column = data.draw(st.integers(0, len(values) - 1)), data.draw(st.integers(0, 1))
    changed = values.copy()
    changed[place, column] += 1
    differ = differing(np.arange(len(rows)), (indptr, values), (indptr, changed)).tolist()
    assert differ == [begin <= place < end for begin, end in pairwise(indptr.tolist())]


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 12))
def test_chunks_are_all_items_in_order_as_many_at_a_time_as_fit(lengths, most):
    slices = list(chunks(np.array(lengths, dtype=np.int64), most))
    assert [item for chunk in slices for item in range(chunk.start, chunk.stop)] == list(range(len(lengths)))
    assert all(sum(lengths[chunk]) <= most or chunk.stop - chunk.start == 1 for chunk in slices)
    assert all(sum(lengths[chunk.start : chunk.stop + 1]) > most for chunk in slices[:-1])


def test_ranges_of_nothing_are_empty():
    assert ranges(np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []
