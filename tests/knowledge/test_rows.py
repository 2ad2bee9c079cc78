from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.knowledge import rows as module
from latticework.knowledge.rows import Rows, common

PAIRS = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=40)


def rows_of(pairs):
    table = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return Rows.of(table[:, 0], table[:, 1], count=6, width=10)


@pytest.mark.parametrize("at_once", [1, 7, None])
@given(PAIRS, PAIRS)
def test_common_numbers_are_those_of_sets(at_once, left, right):
    with pytest.MonkeyPatch.context() as patch:
        if at_once is not None:
            patch.setattr(module, "chunks", partial(module.chunks, most=at_once))
        check_common_numbers(left, right)


def check_common_numbers(left, right):
    one, other = rows_of(left), rows_of(right)
    first, second = (side.ravel() for side in np.meshgrid(np.arange(6), np.arange(6)))
    found = [
        (int(first[pair]), int(second[pair]), int(one.columns[place]), int(other.columns[there]))
        for piece in common(one, first, other, second)
        for pair, place, there in zip(*piece, strict=True)
    ]
    assert sorted(found) == sorted((a, b, x, y) for a, x in left for b, y in right if x == y)


@given(PAIRS, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=5))
def test_find_tells_where_a_pair_stands(pairs, wanted):
    standing = sorted(pairs)
    table = np.array(wanted, dtype=np.int64).reshape(-1, 2)
    expected = [standing.index(pair) if pair in pairs else -1 for pair in wanted]
    assert rows_of(pairs).find(table[:, 0], table[:, 1]).tolist() == expected


def test_find_looks_few_up_as_it_looks_many_up():
    rows = Rows.of(np.zeros(5000, dtype=np.int64), np.arange(0, 10_000, 2), count=1, width=10_000)
    many = rows.find(np.zeros(10_000, dtype=np.int64), np.arange(10_000))
    assert many.tolist() == [place for half in range(5000) for place in (half, -1)]
    assert rows.find(np.array([0, 0]), np.array([4, 5])).tolist() == many[[4, 5]].tolist()


@given(PAIRS, st.integers(1, 5))
def test_the_first_of_each_row_are_its_smallest(pairs, most):
    expected = [pair for row in range(6) for pair in sorted(pair for pair in pairs if pair[0] == row)[:most]]
    kept = rows_of(pairs).first(most)
    assert list(zip(kept.owners.tolist(), kept.columns.tolist(), strict=True)) == expected


@given(PAIRS)
def test_wider_rows_have_the_same_numbers(pairs):
    wide = rows_of(pairs).widened(8, 20)
    assert list(zip(wide.owners.tolist(), wide.columns.tolist(), strict=True)) == sorted(pairs)
    assert wide.indptr.tolist() == Rows.of_keys(wide.keys, 8, 20).indptr.tolist()


@pytest.mark.parametrize("width", [0, 1, 2])
def test_rows_may_have_room_for_hardly_any_number(width):
    rows = Rows.of_keys(np.arange(3 * width), 3, width)  # each has all that there are
    assert rows.lengths.tolist() == [width] * 3
    assert rows.columns.tolist() == [*range(width)] * 3


def test_common_looks_up_no_more_than_the_shorter_of_two_rows_has(monkeypatch):
    hub, looked_up, find = 10_000, [], Rows.find
    rows = Rows.of(np.repeat([0, 1, 2], [hub, 3, 2]), np.append(np.arange(hub), [1, 2, 3, 3, 4]), count=3, width=hub)
    monkeypatch.setattr(
        Rows, "find", lambda self, owners, numbers: looked_up.extend(numbers) or find(self, owners, numbers)
    )
    found = sum(len(which) for which, _, _ in common(rows, np.array([0, 0, 1]), rows, np.array([1, 2, 2])))
    assert (found, len(looked_up)) == (3 + 2 + 1, 3 + 2 + 2)
