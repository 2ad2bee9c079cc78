"""The packed encoder against closed forms, the literal equations and the dense padded computation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge.objects import contexts_of, literal, parameters, random_objects, star
from reference import dkge

from latticework.knowledge.encoding import Weights, encode, encode_attending, project, rows_of
from latticework.knowledge.packing import pack

DIM = 4


def encoded(contexts, k, c, W, g, v, objects=None, padded_to=None):
    objects = np.arange(len(contexts.indptr) - 1) if objects is None else np.array(objects, np.int64)
    packed = pack(contexts, objects, padded_to=padded_to, dtype=k.dtype)
    weights = Weights(W, g, v)
    knowledge = k[packed.objects]
    return encode(knowledge, project(c, knowledge, weights, packed), weights, packed)


# Closed forms


def test_without_projection_only_the_gated_knowledge_is_left():
    k, c, W, g, v = parameters(2, 3, DIM)
    found = encoded(contexts_of(star(0, 1, 2), star()), k, c, W * 0, g, v)
    torch.testing.assert_close(found, torch.sigmoid(g) * k)


def test_an_open_gate_leaves_the_knowledge_exactly():
    k, c, W, g, v = (each.float() for each in parameters(2, 3, DIM))
    found = encoded(contexts_of(star(0, 1, 2), star(1)), k, c, W, g * 0 + 50, v)
    assert torch.equal(found, k)


def test_an_isolated_object_reads_itself_only():
    k, c, W, g, v = parameters(1, 1, DIM)
    gate = torch.sigmoid(g)
    torch.testing.assert_close(encoded(contexts_of(star()), k, c, W, g, v), gate * k + (1 - gate) * torch.relu(k @ W))


def test_a_star_of_two_leaves_by_hand():
    k = torch.tensor([[1.0, -2.0]])
    c = torch.tensor([[2.0, 4.0], [-6.0, 2.0]])
    # Â: centre [1/3, 1/√6, 1/√6], leaves 1/√6 to the centre and ½ to themselves; W is the identity
    root = 1 / np.sqrt(6)
    rows = [[1 / 3 - 4 * root, -2 / 3 + 6 * root], [root + 1, -2 * root + 2], [root - 3, -2 * root + 1]]
    hidden = torch.tensor(np.maximum(rows, 0), dtype=torch.float32)
    alpha = torch.softmax(hidden[:, 0] * 3, 0)  # v = [3, 5] and ReLU(k) = [1, 0]
    expected = 0.5 * k + 0.5 * alpha @ hidden
    found = encoded(contexts_of(star(0, 1)), k, c, torch.eye(2), torch.zeros(2), torch.tensor([3.0, 5.0]))
    torch.testing.assert_close(found, expected)


def test_without_attention_the_nodes_are_averaged():
    k, c, W, g, v = parameters(1, 3, DIM)
    packed = pack(contexts_of(([(0,), (2,)], {(0, 1)})), np.array([0]), dtype=torch.float64)
    weights = Weights(W, g, v * 0)
    weights = weights._replace(gate=g * 0 - 80)  # closed
    pooled, alpha = encode_attending(k, project(c, k, weights, packed), weights, packed)
    root = 1 / np.sqrt(6)  # the degrees are 3, 3 and 2
    normalised = torch.tensor([[1 / 3, 1 / 3, root], [1 / 3, 1 / 3, root], [root, 0, 1 / 2]], dtype=torch.float64)
    hidden = torch.relu(normalised @ torch.cat([k, c[[0, 2]]]) @ W)
    torch.testing.assert_close(pooled, hidden.mean(0, keepdim=True))
    torch.testing.assert_close(alpha, torch.full((3,), 1 / 3, dtype=torch.float64))


@pytest.mark.parametrize("size", [0, 1, 29, 30])
def test_pads_taken_as_one_row_equal_the_dense_padded_computation(size):
    k, c, W, g, v = parameters(1, 31, DIM)
    leaves = list(range(size))
    adjacency = torch.eye(31, dtype=torch.float64)
    adjacency[0] = adjacency[:, 0] = 1
    edges = {(2, 5), (5, 2), (7, 2)} if size > 10 else set()
    for i, j in edges:
        adjacency[i + 1, j + 1] = 1
    padded = torch.tensor([leaves + [-1] * (30 - size)])
    expected = dkge.padded_encoder(k, c, W, g, v, adjacency[None], padded)
    contexts = contexts_of(([(leaf,) for leaf in leaves], edges))
    torch.testing.assert_close(encoded(contexts, k, c, W, g, v, padded_to=30), expected)


# Against the literal equations


@settings(max_examples=40)
@given(random_objects(rows=6, pairs=True), st.sampled_from([None, 5, 7]), st.integers(0, 99))
def test_packed_equals_literal_with_gradients(objects, padded_to, seed):
    values = parameters(len(objects), 6, DIM, seed)
    expected = literal(objects, *values, padded_to)
    found = encoded(contexts_of(*objects), *values, padded_to=padded_to)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    direction = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    of_expected = torch.autograd.grad(expected, values, direction, materialize_grads=True, allow_unused=True)
    of_found = torch.autograd.grad(found, values, direction, materialize_grads=True, allow_unused=True)
    for one, other in zip(of_found, of_expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("padded_to", [None, 4])
def test_gradients_are_those_of_finite_differences(padded_to):
    contexts = contexts_of(star(0, 1, 2), star(), ([(0,), (2, 1), (3,)], {(0, 1), (2, 0)}), star(3))
    torch.autograd.gradcheck(lambda *values: encoded(contexts, *values, padded_to=padded_to), parameters(4, 4, 3, 1))


def test_attention_weights_are_those_of_the_literal_equations():
    objects = [star(0, 1), ([(2,), (0, 1), (1,)], {(0, 1)})]
    k, c, W, g, v = parameters(2, 3, DIM)
    for padded_to in (None, 4):
        packed = pack(contexts_of(*objects), np.arange(2), padded_to=padded_to, dtype=torch.float64)
        weights = Weights(W, g, v)
        alpha = encode_attending(k, project(c, k, weights, packed), weights, packed)[1]
        for o, (elements, edges) in enumerate(objects):
            expected = dkge.joint_embedding(k[o], c, W, g, v, elements, edges, padded_to)[1]
            n = len(elements) + 1
            mine = alpha[packed.begin[o] : packed.begin[o + 1]]
            torch.testing.assert_close(mine[:n], expected[:n])
            if padded_to:
                torch.testing.assert_close(mine[n], expected[n:].sum())


def test_large_logits_do_not_overflow():
    k, c, W, g, v = (each.detach().float() for each in parameters(1, 3, DIM))
    found = encoded(contexts_of(star(0, 1, 2)), k * 100, c * 100, W, g, v.abs() * 100)
    assert found.isfinite().all()


# Invariance


@settings(max_examples=30)
@given(random_objects(rows=6), st.data())
def test_a_joint_embedding_does_not_depend_on_the_rest_of_the_batch(objects, data):
    values = parameters(len(objects), 6, DIM)
    contexts = contexts_of(*objects)
    everything = encoded(contexts, *values)
    some = data.draw(st.lists(st.sampled_from(range(len(objects))), unique=True))
    torch.testing.assert_close(encoded(contexts, *values, objects=some), everything[some], rtol=1e-12, atol=1e-13)


@settings(max_examples=30)
@given(random_objects(rows=6, pairs=True), st.permutations(range(6)), st.data())
def test_renumbering_changes_nothing_else(objects, numbers, data):
    k, c, W, g, v = parameters(len(objects), 6, DIM)
    order = data.draw(st.permutations(range(len(objects))))
    renumbered = [
        ([tuple(numbers[number] for number in element) for element in objects[o][0]], objects[o][1]) for o in order
    ]
    moved = torch.empty_like(c)
    moved[list(numbers)] = c
    expected = encoded(contexts_of(*objects), k, c, W, g, v)[list(order)]
    found = encoded(contexts_of(*renumbered), k[list(order)], moved, W, g, v)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


# What online learning asks of it


def test_frozen_products_and_trained_rows_mix():
    objects = [star(0, 1), star(0, 3), star(2, 3)]
    k, c, W, g, v = (each.detach() for each in parameters(3, 4, DIM))
    expected = literal(objects, k, c, W, g, v)
    packed = pack(contexts_of(*objects), np.arange(3), dtype=torch.float64)
    products = c[:3] @ W  # of the old rows, once and for all; row 3 is new
    trained_k, trained_c = k[1:].clone().requires_grad_(), c[3:].clone().requires_grad_()
    knowledge = torch.cat([k[:1], trained_k])
    projected = torch.cat([products, trained_c @ W]).index_select(0, packed.first)
    found = encode(knowledge, torch.cat([projected, knowledge @ W]), Weights(W, g, v), packed)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    assert trained_k.grad.abs().sum() > 0
    assert trained_c.grad.abs().sum() > 0


@given(st.sets(st.integers(0, 8)), st.integers(0, 99))
def test_the_sparse_gradient_of_a_table_equals_the_dense_one(rows, seed):
    table = torch.randn(9, 3, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    chosen = torch.tensor(sorted(rows), dtype=torch.int64)
    (sparse,) = torch.autograd.grad(rows_of(table, chosen, sparse=True).square().sum(), table)
    (dense,) = torch.autograd.grad(table[chosen].square().sum(), table)
    assert sparse.is_coalesced()
    assert torch.equal(sparse.to_dense(), dense)
