"""The block-diagonal matrix against one made entry by entry."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge.objects import contexts_of, random_objects, star

from latticework.core.errors import InputError
from latticework.knowledge.packing import distinct_numbers, pack


def dense(packed):
    """The matrix by rows, and by columns."""
    shape = len(packed.owner), len(packed.first) + len(packed)
    by_rows, by_columns = np.zeros(shape), np.zeros(shape)
    for node in range(shape[0]):
        for entry in range(packed.row_begin[node], packed.row_begin[node + 1]):
            by_rows[node, packed.row_source[entry]] += packed.row_value[entry].item()
    for source in range(shape[1]):
        for entry in range(packed.column_begin[source], packed.column_begin[source + 1]):
            by_columns[packed.column_node[entry], source] += packed.column_value[entry].item()
    return by_rows, by_columns


def elements_of(packed):
    second = torch.full_like(packed.first, -1) if packed.second is None else packed.second
    return list(zip(packed.first.tolist(), second.tolist(), strict=True))


@given(random_objects(rows=7, pairs=True), st.sampled_from([None, 5, 9]))
def test_the_matrix_is_the_symmetrically_normalised_adjacency(objects, padded_to):
    packed = pack(contexts_of(*objects), np.arange(len(objects)), padded_to=padded_to, dtype=torch.float64)
    sources = elements_of(packed)
    expected = np.zeros((len(packed.owner), len(sources) + len(objects)))
    for o, (elements, edges) in enumerate(objects):
        n, centre = len(elements), int(packed.begin[o])
        missing = 0 if padded_to is None else padded_to - n
        degrees = [1 + n + missing] + [2 + sum(i == node for i, _ in edges) for node in range(n)]
        places = [len(sources) + o] + [sources.index((*element, -1)[:2]) for element in elements]
        entries = {(0, 0), *((0, j + 1) for j in range(n)), *((j + 1, 0) for j in range(n))}
        entries |= {(j + 1, j + 1) for j in range(n)} | {(i + 1, j + 1) for i, j in edges}
        for i, j in entries:
            expected[centre + i, places[j]] = 1 / np.sqrt(degrees[i] * degrees[j])
        if missing:
            expected[centre + n + 1, places[0]] = 1 / np.sqrt(degrees[0] * 2)
            assert packed.pads[centre + n + 1].item() == pytest.approx(np.log(missing))
    for found in dense(packed):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_every_context_element_of_a_batch_is_projected_once():
    packed = pack(contexts_of(star(3, 1), star(1, 5), star(3)), np.array([2, 0, 1]))
    assert packed.first.tolist() == [1, 3, 5]
    assert packed.second is None
    assert packed.objects.tolist() == [2, 0, 1]
    assert packed.owner.tolist() == [0, 0, 1, 1, 1, 2, 2, 2]


def test_pairs_are_elements_of_their_own():
    packed = pack(contexts_of(([(0,), (0, 0), (2, 1)], set()), ([(2, 1), (1, 2)], set())), np.arange(2))
    assert elements_of(packed) == [(0, -1), (0, 0), (1, 2), (2, 1)]


def test_a_batch_may_be_empty_and_objects_isolated():
    contexts = contexts_of(star(), star(0))
    assert len(pack(contexts, np.zeros(0, np.int64))) == 0
    packed = pack(contexts, np.array([0]))
    assert (packed.first.tolist(), packed.width, packed.row_value.tolist()) == ([], 1, [1.0])


@given(st.lists(st.integers(0, 10**7)))
def test_distinct_numbers_are_those_of_numpy(numbers):
    given_numbers = np.array(numbers, np.int64)
    for found, expected in zip(
        distinct_numbers(given_numbers), np.unique(given_numbers, return_inverse=True), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("objects", [[-1], [0, 2]])
def test_an_object_without_context_row_is_refused(objects):
    with pytest.raises(InputError, match="objects are numbered 0 to 1, got"):
        pack(contexts_of(star(), star(0)), np.array(objects))


def test_a_context_beyond_the_cap_of_its_pads_is_refused():
    with pytest.raises(InputError, match="a context of 3 elements is more than the 2 that it is padded to"):
        pack(contexts_of(star(0, 1, 2)), np.array([0]), padded_to=2)
