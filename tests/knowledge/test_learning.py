import numpy as np
import pytest
import torch
from graphs import draw_graph

from latticework.core.runs import Run
from latticework.core.training import train
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.fitting import start_as_transe
from latticework.knowledge.index import ContextIndex
from latticework.knowledge.learning import LinkTask, joint_embeddings, numbered_batches, training_plan
from latticework.knowledge.model import DKGEModel


def make_task(*, open_gate=False, **figures):
    graph = draw_graph(1)
    config = DKGEConfig(**({"negatives": 5, "batch_size": 7} | figures))
    model = DKGEModel(len(graph.entities), len(graph.relations), 6, generator=torch.Generator().manual_seed(0))
    contexts = ContextIndex.of(graph, 30).both
    return LinkTask(model, graph, contexts, graph.triples[:3], config, seed=0, open_gate=open_gate)


def test_every_fact_is_in_one_batch_of_each_epoch_with_numbers_of_its_own():
    seen = set()
    for epoch in range(3):
        batches = numbered_batches(10, 4, epoch, seed=0)
        assert sorted(np.concatenate(batches) % 10) == list(range(10))
        for batch in batches:
            assert len(set(batch // 10)) == 1
        seen |= set(np.concatenate(batches).tolist())
    assert len(seen) == 30


def test_a_batch_can_be_made_again():
    task = make_task()
    batch = task.batches(2)[1]
    one, other = task.inputs(batch)[0], task.inputs(batch)[0]
    assert torch.equal(one.facts, other.facts)
    assert torch.equal(one.wrong.entities, other.wrong.entities)
    assert torch.equal(one.wrong.known, other.wrong.known)


@pytest.mark.parametrize("loss", ["softmax", "margin"])
def test_the_loss_is_that_of_all_joint_embeddings(loss):
    task = make_task(loss=loss)
    batch = task.batches(0)[0]
    [inputs] = task.inputs(batch)
    entities, relations = (
        torch.from_numpy(table) for table in joint_embeddings(task.model, task.contexts, open_gate=False)
    )
    facts = torch.from_numpy(task.graph.triples[batch % len(task.graph)])
    wrong = task.objective.draw(facts.numpy(), batch, int(batch[0] // len(task.graph)))
    rows = entities[facts[:, 0]], relations[facts[:, 1]], entities[facts[:, 2]]
    expected = wrong.loss(entities, rows, norm=2)
    torch.testing.assert_close(task.module(inputs).detach(), expected, rtol=1e-4, atol=1e-4)


def test_with_an_open_gate_the_embeddings_are_those_of_transe():
    task = make_task(open_gate=True)
    entities, _ = joint_embeddings(task.model, task.contexts, open_gate=True)
    assert np.array_equal(entities, task.model.entities.knowledge.detach().numpy())
    task.module(*task.inputs(task.batches(0)[0])).backward()
    assert task.model.entities.knowledge.grad is not None
    assert task.model.entities.context.grad is None
    assert task.model.entities.projection.grad is None


def test_a_start_as_transe_trains_k_alone_and_opens_the_gate():
    task = make_task(warm_epochs=2)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    start_as_transe(task, Run(seed=0, device="cpu", folder=None, restart=False, loggers=[]), fingerprint="")
    after = task.model.state_dict()
    for side in ("entities", "relations"):
        assert not torch.equal(after[f"{side}.knowledge"], before[f"{side}.knowledge"])
        assert torch.equal(after[f"{side}.context"], before[f"{side}.context"])
        assert torch.equal(after[f"{side}.projection"], before[f"{side}.projection"])
        assert (after[f"{side}.gate"] > before[f"{side}.gate"]).all()
    assert all(parameter.requires_grad for parameter in task.module.parameters())


def test_training_lowers_the_loss():
    task = make_task(learning_rate=0.05, validate_every=10)
    plan = training_plan(task.config, facts=len(task.graph), max_epochs=30)
    history = train(task, plan, seed=0, device="cpu", precision="32")
    losses = [row["loss"] for row in history if "loss" in row]
    assert losses[-1] < 0.7 * losses[0]
