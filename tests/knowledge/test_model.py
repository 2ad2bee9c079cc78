"""Scores, losses, gradients of tables, and whole batches against the literal equations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge.objects import contexts_of, literal, random_objects, star
from reference import dkge

from latticework.core.errors import InputError
from latticework.knowledge.batches import Learner, link_batch
from latticework.knowledge.distances import distance
from latticework.knowledge.model import DKGEModel
from latticework.knowledge.objective import Corrupted, margin_loss

ENTITIES, RELATIONS, DIM, MARGIN = 6, 3, 4, 10.0


def model(**options):
    return DKGEModel(ENTITIES, RELATIONS, DIM, generator=torch.Generator().manual_seed(0), **options).double()


def fixed():
    entities = [star(1, 2), ([(0,), (2,), (5,)], {(0, 1), (1, 0)}), star(0, 1), star(4), star(3), star(1)]
    relations = [([(1,), (1, 2)], {(0, 1)}), ([(0,), (0, 0), (2, 1)], set()), star()]
    return entities, relations


def literal_loss(model, objects, positives, negatives, padded_to=None):
    joint = []
    for encoder, each in zip((model.entities, model.relations), objects, strict=True):
        joint.append(literal(each, encoder.knowledge, encoder.context, *encoder.weights, padded_to))
    entities, relations = joint

    def score(h, r, t):
        return dkge.score(entities[h], relations[r], entities[t], model.norm)

    return dkge.loss(
        [score(*triple) for triple in positives.tolist()],
        [[score(*triple) for triple in each] for each in negatives.tolist()],
        MARGIN,
    )


def some_triples(seed, batch=7, negatives=2):
    """Facts, each with corrupted triples of which one end is another."""
    random = np.random.default_rng(seed)
    facts = np.stack([random.integers(0, size, batch) for size in (ENTITIES, RELATIONS, ENTITIES)], -1)
    at_head = random.random((batch, negatives)) < 0.5
    wrong = facts[:, None].repeat(negatives, 1)
    ends = random.integers(0, ENTITIES, (batch, negatives))
    wrong[..., 0], wrong[..., 2] = np.where(at_head, ends, wrong[..., 0]), np.where(at_head, wrong[..., 2], ends)
    return facts, Corrupted(torch.from_numpy(ends), torch.from_numpy(at_head), MARGIN), wrong


def packed(net, objects, facts, wrong):
    contexts = tuple(contexts_of(*each) for each in objects)
    return link_batch(facts, wrong, contexts, padded_to=net.padded_to, dtype=net.entities.projection.dtype)


@settings(max_examples=10)
@given(st.sampled_from(["paper", "reference"]), st.sampled_from([1, 2]), st.booleans(), st.integers(0, 99))
def test_the_loss_of_a_batch_and_its_gradients_are_the_literal_ones(compat, norm, sparse, seed):
    net = model(compat=compat, norm=norm, max_context=4, sparse=sparse)
    facts, wrong, negatives = some_triples(seed)
    objects = fixed()
    loss = Learner(net)(packed(net, objects, facts, wrong))
    loss.backward()
    found = [(each.grad.to_dense() if each.grad.is_sparse else each.grad) for each in net.parameters()]
    assert net.entities.context.grad.is_sparse == sparse
    net.zero_grad()
    expected = literal_loss(net, objects, facts, negatives, 4 if compat == "reference" else None)
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(expected, list(net.parameters()))
    for name, one, other in zip(dict(net.named_parameters()), found, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10, msg=lambda text, name=name: f"{name}: {text}")


def test_an_open_gate_is_transe_exactly():
    net = model().float()
    for encoder in (net.entities, net.relations):
        encoder.gate.data.fill_(50)
    facts, wrong, negatives = some_triples(3)
    batch = packed(net, fixed(), facts, wrong)
    h, r, t = net.entities.knowledge, net.relations.knowledge, net.entities.knowledge

    def transe(triples):
        return (h[triples[..., 0]] + r[triples[..., 1]] - t[triples[..., 2]]).norm(dim=-1)

    expected = torch.relu(MARGIN + transe(facts)[:, None] - transe(negatives)).sum()
    assert torch.equal(Learner(net)(batch), expected)


def test_the_margin_loss_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    positive, negative = (10 * torch.randn(shape, generator=generator) for shape in (5, (5, 3)))
    torch_loss = torch.nn.MarginRankingLoss(margin=10, reduction="sum")
    expected = torch_loss(negative, positive[:, None].expand(5, 3), torch.ones(5, 3))
    torch.testing.assert_close(margin_loss(positive, negative, margin=10), expected)


@pytest.mark.parametrize("norm", [1, 2])
def test_the_gradient_of_a_distance_of_zero_is_zero(norm):
    head = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    distance(head, torch.ones(2, 2), torch.tensor([[2.0, 3.0], [0.0, 0.0]]), norm=norm).sum().backward()
    assert head.grad[0].tolist() == [0, 0]
    assert head.grad[1].abs().sum() > 1


def test_a_norm_other_than_1_and_2_is_refused():
    with pytest.raises(InputError, match="norm=3: expected one of 1, 2"):
        distance(torch.ones(2), torch.ones(2), torch.ones(2), norm=3)


def test_an_unknown_compat_is_refused():
    with pytest.raises(InputError, match="compat='code': expected one of paper, reference"):
        model(compat="code")


@settings(max_examples=20)
@given(random_objects(rows=6), st.sampled_from(["paper", "reference"]))
def test_all_joint_embeddings_are_those_of_their_own_batches(objects, compat):
    net = DKGEModel(6, 1, DIM, compat=compat, max_context=5).double()
    objects = (objects * 6)[:6]
    everything = net.encode_all("entities", contexts_of(*objects))
    encoder = net.entities
    padded_to = 5 if compat == "reference" else None
    expected = literal(objects, encoder.knowledge, encoder.context, *encoder.weights, padded_to)
    torch.testing.assert_close(everything, expected)


def test_attention_over_an_object_and_its_context_adds_up_to_one():
    contexts = contexts_of(*fixed()[1])
    found = model().attention("relations", contexts, 1)
    assert found.shape == (4,)
    torch.testing.assert_close(found.sum(), torch.ones((), dtype=torch.float64))
    with_pads = model(compat="reference", max_context=5).attention("relations", contexts, 1)
    assert with_pads.shape == (5,)


def test_initial_values_are_those_of_the_published_code_or_of_unit_length():
    generator = torch.Generator().manual_seed(0)
    paper, reference = (DKGEModel(2000, 5, 30, compat=compat, generator=generator) for compat in ("paper", "reference"))
    bound = (6 / 2030) ** 0.5
    assert reference.entities.knowledge.abs().max() <= bound
    assert reference.entities.knowledge.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert reference.entities.context.std().item() == pytest.approx(1, rel=0.02)
    for table in (paper.entities.knowledge, paper.entities.context):
        assert table.square().sum(1).mean().item() == pytest.approx(1, rel=0.02)
    side = 30**-0.5
    for encoder in (paper.entities, paper.relations, reference.entities):
        assert 0.98 * side < encoder.projection.max().item() <= side
        assert 0.98 * side < -encoder.projection.min().item() <= side


def test_contexts_are_padded_only_where_the_published_code_does():
    padded = {compat: DKGEModel(3, 2, 4, compat=compat).padded_to for compat in ("paper", "reference")}
    assert padded == {"paper": None, "reference": 30}


@pytest.mark.parametrize("compat", ["paper", "reference"])
def test_initial_values_come_from_the_generator(compat):
    one, same = (dict(model(compat=compat).named_parameters()) for _ in range(2))
    torch.testing.assert_close(one, same, rtol=0, atol=0)


def test_a_batch_on_another_device_is_the_same_batch():
    batch = packed(model(), fixed(), *some_triples(0)[:2])
    moved = batch.to("meta")
    assert moved.entities.row_value.device.type == "meta"
    assert moved.relations.width == batch.relations.width
