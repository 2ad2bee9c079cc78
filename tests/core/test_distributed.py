"""Two processes under `torchrun` learn what one learns, and go on together after a crash."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import tasks
from programs import TORCHRUN, finding_tests

import latticework as lw
from latticework.core import read_folder
from latticework.core.loggers import without_timings
from latticework.core.training import train
from latticework.core.values import from_json

KINDS = ["plain", "sharded"]
PROGRAM = Path(__file__).with_name("distributed_training.py")


def torchrun(folder, reports, kind, **variables):
    reports.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*TORCHRUN, str(PROGRAM), str(folder), str(reports), kind],
        env=finding_tests() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def completed(folder, reports, kind):
    """Run to the end, in silence; return what each process reports."""
    process = torchrun(folder, reports, kind)
    try:
        output = process.communicate(timeout=300)
    finally:
        kill(process, reports)
    assert (process.returncode, *output) == (0, "", "")
    return [json.loads((reports / f"{rank}.json").read_text()) for rank in (0, 1)]


def kill(process, reports):
    """SIGKILL the launcher, so that it does not end its processes in an orderly way, and then those."""
    if process.poll() is None:
        process.kill()
        for path in reports.glob("pid-*"):
            os.kill(int(path.read_text()), signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes left, and what each of them reports."""
    folder = tmp_path_factory.mktemp("together")
    return folder, completed(folder, tmp_path_factory.mktemp("reports"), "whole")


def assert_same_curve(found, expected):
    """The same rows, each figure within 1e-9: float64 sums in another order."""
    found, expected = without_timings(found), without_timings(expected)
    assert [list(row) for row in found] == [list(row) for row in expected]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_regression_has_the_curve_and_weights_of_one_process(together, kind):
    folder, reports = together
    assert {size % 2 for size in tasks.UNEVEN} == {0, 1}
    assert 1 in tasks.UNEVEN
    task = tasks.Regression(tasks.UNEVEN, validates=True)
    plan = tasks.plan(optimizer=tasks.adam, accumulate=2, average=2, clip_norm=1.0)
    rows = train(task, plan, seed=0, device="cpu", precision="64")
    assert_same_curve(from_json(read_folder(folder / f"regression-{kind}")[1].files["history.json"]), rows)
    for report in reports:
        np.testing.assert_allclose(report["weights"][f"regression-{kind}"], task.weights(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_translator_has_the_curve_and_weights_of_one_process(together, tmp_path, monkeypatch, kind):
    from latticework.seq2seq.learning import PairsTask

    serve, sizes = PairsTask.inputs, []
    monkeypatch.setattr(PairsTask, "inputs", lambda task, batch: sizes.append(len(batch)) or serve(task, batch))
    with monkeypatch.context() as patched:
        from latticework.seq2seq import learning

        patched.setattr(learning, "training_plan", learning.training_plan)  # so that what comes next is undone
        tasks.checkpoint_at_every_step()
        alone = tasks.fit_translator(tmp_path / "model", precision="64", dropout=0.0)
    assert 1 in sizes
    assert any(size % 2 for size in sizes if size > 1)
    both = lw.load(together[0] / f"exact-{kind}")
    assert sum("loss" in row for row in alone.history_) == 8
    assert_same_curve(both.history_, alone.history_)
    for name, tensor in alone.model_.state_dict().items():
        np.testing.assert_allclose(both.model_.state_dict()[name].numpy(), tensor.numpy(), rtol=0, atol=1e-8)


def test_processes_end_with_the_same_weights_and_find_the_model_saved(together):
    first, second = (report["weights"] for report in together[1])
    assert first == second
    for kind in KINDS:
        assert first[kind][0] == first[kind][1]


def test_processes_hold_a_share_of_what_is_sharded(together):
    first, second = (report["held"] for report in together[1])
    for plain, sharded in ((1, 3), (4, 5)):  # translators, by their turn
        assert first[plain] == second[plain]
        assert max(first[sharded], second[sharded]) < 0.6 * first[plain]


def test_one_process_writes(together):
    folder, (first, second) = together
    assert second["changed"] == []
    for part in ("plain/config.json", "sharded/training/config.json", "regression-plain/log.csv"):
        assert any(Path(path) == folder / part for path in first["changed"]), part


def test_processes_that_do_not_share_a_folder_or_the_data_are_told(together):
    for report in together[1]:
        assert sorted(report["said"]) == ["data", "model", "run"]
        assert all("do not find the same run in" in said for said in report["said"].values())
        assert all("give a folder that all of them share" in said for said in report["said"].values())


def outcome(folder):
    state = read_folder(folder)[1]
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))  # names carry checksums
    return files, from_json(state.files["history.json"]), state.values


@pytest.fixture(scope="module", params=KINDS)
def killed(request, tmp_path_factory):
    """What two processes left that were killed some steps after their first validation, which is after five batches."""
    folder, reports = tmp_path_factory.mktemp("killed"), tmp_path_factory.mktemp("reports")
    model = folder / request.param
    process = torchrun(folder, reports, request.param, HALT_AT=str(random.Random(20170612).randint(6, 12)))
    try:
        deadline = time.monotonic() + 300
        while not (reports / "halted").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        kill(process, reports)
    assert not (model / "config.json").exists()
    assert (model / "training" / "config.json").exists()
    return model


def test_killed_processes_go_on_and_end_like_those_that_were_not(together, killed, tmp_path):
    kind = killed.name
    shutil.copytree(killed, tmp_path / kind)
    reports = completed(tmp_path, tmp_path / "reports", kind)
    assert outcome(tmp_path / kind) == outcome(together[0] / kind)
    assert [report["weights"][kind] for report in reports] == [together[1][0]["weights"][kind]] * 2


def test_run_of_two_processes_is_not_taken_up_by_one(killed, tmp_path):
    shutil.copytree(killed, tmp_path / "model")
    (tmp_path / "model" / "training" / "lock").unlink()  # of those that were killed
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(lw.InputError, match=r"unfinished run of 2 processes, this one has 1: .*--restart"):
        tasks.fit_translator(tmp_path / "model")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
