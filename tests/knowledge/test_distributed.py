"""Two processes under `torchrun` learn of a knowledge graph what one learns, each with its share of the tables."""

import json
import subprocess

import numpy as np
import pytest
from knowledge import distributed_knowledge as program
from programs import TORCHRUN, finding_tests

import latticework as lw
from latticework.knowledge import fitting

ROUNDING = 2e-5  # of float32 sums in another order, some tens of steps on; entries are about 0.3


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Where two processes left their models, and what each of them reports."""
    folder, reports = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("reports")
    done = subprocess.run(
        [*TORCHRUN, program.__file__, str(folder), str(reports)],
        env=finding_tests(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder, [json.loads((reports / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.fixture
def learn(monkeypatch):
    """What one process learns."""
    monkeypatch.setattr(fitting, "LARGE", fitting.LARGE)  # so that what `learn` sets is undone
    return program.learn


def assert_same(found, expected, test):
    np.testing.assert_allclose(found.entity_embeddings_, expected.entity_embeddings_, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(found.relation_embeddings_, expected.relation_embeddings_, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(found.score_triples(test), expected.score_triples(test), rtol=0, atol=10 * ROUNDING)


@pytest.mark.parametrize("kind", program.FITS)
def test_scores_are_those_of_one_process(together, learn, kind):
    alone, both = learn(kind), lw.load(together[0] / kind)
    assert_same(both, alone, program.NOW.test)
    figures = [[row.get("loss", 0), row.get("valid_mrr", 0)] for row in alone.history_]
    told = [[row.get("loss", 0), row.get("valid_mrr", 0)] for row in both.history_]
    np.testing.assert_allclose(told, figures, rtol=1e-3)


def test_updates_are_those_of_one_process(together, learn):
    alone = learn("plain")
    assert_same(lw.load(together[0] / "updated"), program.update(alone), program.NEXT.test)


@pytest.mark.parametrize("kind", program.FITS)
def test_each_process_holds_its_share_of_rows_and_of_adam(together, kind):
    (*first, whole), (*second, beside) = (report["held"][kind] for report in together[1])
    entries = lw.load(together[0] / kind).learned_.model.entities.knowledge.numel()
    spread = kind in program.SPREAD
    assert first == second == [entries / 2 if spread else entries] * 3  # of k and of both moments
    assert whole > 0
    assert (beside == 0) == spread  # the first one has the whole beside it, to validate


def test_each_process_finds_what_is_saved(together):
    assert all(all(report["loaded"].values()) for report in together[1])


@pytest.mark.parametrize("kind", program.RESUMED)
def test_stopped_run_goes_on_and_ends_as_one_that_was_not(together, kind):
    for report in together[1]:
        same, served, epoch = report["resumed"][kind]
        assert same
        assert served == epoch  # the second one


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_are_lent_and_their_mean_gradient_goes_to_who_owns_them(together, sparse):
    first, second = (report["lent"][f"7 {sparse}"] for report in together[1])
    assert first[0] == [[0, 1]]
    assert second[0] == [[0, 1], [4, 5], [12, 13]]
    zero, one, both = [0.0, 0.0], [1.0, 1.0], [1.5, 1.5]  # of weights 1 and 2, which are halved
    assert first[1] == [both, zero, one, zero, zero, zero, zero]
    assert second[1] == [*[zero] * 6, one]
    assert (first[2], second[2]) == (4, 3)
    assert first[3] == second[3] == [2 * (0 + 4 + 12) / 2, (1 + 2 * (1 + 5 + 13)) / 2]


@pytest.mark.parametrize("sparse", [False, True])
def test_process_without_rows_takes_part(together, sparse):
    first, second = (report["lent"][f"1 {sparse}"] for report in together[1])
    assert first[:3] == [[[0, 1]], [[1.5, 1.5]], 1]
    assert second[:3] == [[[0, 1]], [[0, 0]], 0]


def test_one_process_has_nothing_to_share(learn):
    plain, sharded = learn("plain"), learn("sharded")
    assert (plain.entity_embeddings_ == sharded.entity_embeddings_).all()
