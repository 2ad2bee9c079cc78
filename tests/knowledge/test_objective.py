import numpy as np
import pytest
import torch
from graphs import draw_graph
from torch.nn.functional import cross_entropy

from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names
from latticework.knowledge.objective import Corrupted, Objective, Pool
from latticework.knowledge.sampling import head_rates


def draw_rows(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", [1, 2])
def test_the_margin_loss_is_that_of_torch(norm):
    table, heads, relations, tails = draw_rows(0, 6, 4), *draw_rows(1, 3, 5, 4)
    generator = torch.Generator().manual_seed(2)
    entities, at_head = (torch.randint(most, (5, 3), generator=generator) for most in (6, 2))
    loss = Corrupted(entities, at_head.bool(), 1.5).loss(table, (heads, relations, tails), norm=norm)
    expected = 0.0
    for fact in range(5):
        own = torch.norm(heads[fact] + relations[fact] - tails[fact], p=norm)
        for other in range(3):
            wrong = table[entities[fact, other]]
            ends = (wrong, tails[fact]) if at_head[fact, other] else (heads[fact], wrong)
            far = torch.norm(ends[0] + relations[fact] - ends[1], p=norm)
            expected += torch.nn.MarginRankingLoss(1.5)(far, own, torch.tensor(1.0))
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("norm", [1, 2])
def test_the_loss_of_a_pool_is_a_cross_entropy_without_known_facts(norm):
    table, heads, relations, tails = draw_rows(0, 6, 4), *draw_rows(1, 3, 5, 4)
    known = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(2)) < 0.3
    pool = Pool(torch.tensor([0, 2, 5]), known, 3.0)
    loss = pool.loss(table, (heads, relations, tails), norm=norm)
    expected = 0.0
    for fact in range(5):
        own = torch.norm(heads[fact] + relations[fact] - tails[fact], p=norm)
        for side in range(2):
            point = tails[fact] - relations[fact] if side == 0 else heads[fact] + relations[fact]
            others = [
                torch.norm(point - table[entity], p=norm)
                for place, entity in enumerate([0, 2, 5])
                if not known[fact, side, place]
            ]
            logits = -3.0 * torch.stack([own, *others])
            expected += cross_entropy(logits[None], torch.tensor([0]))
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loss, negatives", [("softmax", 7), ("margin", 3)])
def test_no_known_fact_is_a_wrong_answer(loss, negatives):
    graph = draw_graph(0)
    objective = Objective(graph, DKGEConfig(loss=loss, negatives=negatives), seed=0)
    facts = graph.triples[:20]
    wrong = objective.draw(facts, np.arange(20), 3)
    for place, (head, relation, tail) in enumerate(facts):
        for other in range(negatives):
            if loss == "margin":
                entity, at_head = int(wrong.entities[place, other]), bool(wrong.at_head[place, other])
                triple = (entity, relation, tail) if at_head else (head, relation, entity)
                assert not graph.contains(np.array([triple]))[0]
            else:
                entity = int(wrong.entities[other])
                for side, triple in enumerate([(entity, relation, tail), (head, relation, entity)]):
                    assert bool(wrong.known[place, side, other]) == graph.contains(np.array([triple]))[0]


def test_what_is_drawn_depends_on_the_numbers_alone():
    graph = draw_graph(0)
    for loss in ("softmax", "margin"):
        objective = Objective(graph, DKGEConfig(loss=loss, negatives=4), seed=0)
        whole = objective.draw(graph.triples[:10], np.arange(10), 5)
        half = objective.draw(graph.triples[:10][::2], np.arange(10)[::2], 5)
        if loss == "softmax":
            assert torch.equal(whole.entities, half.entities)
            assert torch.equal(whole.known[::2], half.known)
        else:
            assert torch.equal(whole.entities[::2], half.entities)


def test_every_seed_and_every_step_draws_others():
    graph, config = draw_graph(0), DKGEConfig(negatives=7)
    objectives = [Objective(graph, config, seed=seed) for seed in (0, 1, 2**63, -1)]
    drawn = [each.draw(graph.triples[:4], np.arange(4), step).entities for each in objectives for step in (0, 1)]
    assert len({tuple(pool.tolist()) for pool in drawn}) == len(drawn)


@pytest.mark.parametrize(
    "options, rule",
    [
        ({}, "bernoulli"),
        ({"corruption": "uniform"}, "uniform"),
        ({"compat": "reference"}, "reference"),
        ({"compat": "reference", "corruption": "uniform"}, "reference"),
    ],
)
def test_heads_are_replaced_as_often_as_the_rule_says(options, rule):
    graph = draw_graph(0)
    rates = {each: head_rates(graph.triples, 2, rule=each) for each in ("bernoulli", "uniform", "reference")}
    found = Objective(graph, DKGEConfig(loss="margin", **options), seed=0).sampler.head_rates
    assert [each for each, expected in rates.items() if np.array_equal(found, expected)] == [rule]


def test_entities_that_are_gone_are_no_answers():
    names = Names([f"e{number}" for number in range(6)])
    graph = Graph.of_numbers(np.array([[0, 0, 1], [1, 0, 2]]), names, Names(["r"]))
    wrong = Objective(graph, DKGEConfig(negatives=100), seed=0).draw(graph.triples, np.arange(2), 0)
    assert wrong.entities.tolist() == [0, 1, 2]


@pytest.mark.parametrize("norm", [1, 2])
def test_facts_of_a_complete_relation_teach_nothing(norm):
    graph = Graph.of([(head, "r", tail) for head in "ab" for tail in "ab"])
    wrong = Objective(graph, DKGEConfig(loss="margin", negatives=3, margin=1.5), seed=0).draw(
        graph.triples, np.arange(4), 0
    )
    table = draw_rows(0, 2, 4).requires_grad_()
    relations = draw_rows(1, 1, 4).requires_grad_()
    heads, _, tails = torch.from_numpy(graph.triples).T
    loss = wrong.loss(table, (table[heads], relations.expand(4, -1), table[tails]), norm=norm)
    loss.backward()
    assert loss.item() == pytest.approx(1.5 * 4 * 3)
    torch.testing.assert_close(table.grad, torch.zeros(2, 4, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(relations.grad, torch.zeros(1, 4, dtype=torch.float64), rtol=0, atol=1e-12)
