import os
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import make_dataclass

import numpy as np
import pytest
import torch
from tasks import CAPABILITY, Regression, Remembered, plan
from torch import distributed

import latticework as lw
from latticework.core import Estimator, State, runs, training, write_folder
from latticework.core.capability import register
from latticework.core.runs import Run


@pytest.fixture(autouse=True)
def _registered():
    with register(CAPABILITY):
        yield


@pytest.fixture
def model():
    return Remembered(random_state=0).fit(np.random.default_rng(0).normal(size=(6, 2)), "this run")


def checkpointed(folder, fingerprint="this run", *, task=None):
    options = {"device": "cpu", "precision": "64", "fingerprint": fingerprint}
    with nullcontext() if task is None else pytest.raises(KeyboardInterrupt):
        training.train(task or Regression(), plan(), seed=0, folder=folder, **options)
    assert (folder / "config.json").exists()


class Interrupted(Regression):
    """After its first epoch."""

    def batches(self, epoch):
        if self.served:
            raise KeyboardInterrupt
        return super().batches(epoch)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_concluded_run_is_a_model_and_its_log(tmp_path, model):
    checkpointed(tmp_path / "training")
    runs.conclude(model, tmp_path)
    assert [path.name for path in (tmp_path / "training").iterdir()] == ["log.csv"]
    assert np.array_equal(Remembered.load(tmp_path).bank_, model.bank_)


def test_model_is_saved_before_the_checkpoint_is_dropped(tmp_path, model, monkeypatch):
    def fail(*_):
        raise OSError("the disk is full")

    checkpointed(tmp_path / "training")
    before = contents(tmp_path)
    monkeypatch.setattr(Estimator, "save", fail)
    with pytest.raises(OSError, match="full"):
        runs.conclude(model, tmp_path)
    assert contents(tmp_path) == before


def test_finished_run_gives_its_model(tmp_path, model):
    runs.conclude(model, tmp_path)
    before = contents(tmp_path)
    found = runs.finished(tmp_path, "this run")
    assert type(found) is Remembered
    assert np.array_equal(found.bank_, model.bank_)
    assert contents(tmp_path) == before


def test_checkpoint_that_a_crash_left_beside_the_model_is_dropped(tmp_path, model):
    checkpointed(tmp_path / "training")
    model.save(tmp_path)
    assert isinstance(runs.finished(tmp_path, "this run"), Remembered)
    assert [path.name for path in (tmp_path / "training").iterdir()] == ["log.csv"]


@pytest.mark.parametrize("kind", ["unfinished", "another run", "damaged"])
def test_checkpoint_of_a_run_that_has_not_saved_its_model_stays_beside_one(tmp_path, model, capsys, kind):
    task = Interrupted() if kind == "unfinished" else None
    checkpointed(tmp_path / "training", "another run" if kind == "another run" else "this run", task=task)
    if kind == "damaged":
        (tmp_path / "training" / "config.json").write_text("{")
    model.save(tmp_path)
    before = contents(tmp_path)
    with lw.progress.showing():
        assert isinstance(runs.finished(tmp_path, "this run"), Remembered)
    assert contents(tmp_path) == before
    assert "training holds a run that has not ended, too: repeat its command, with --restart" in capsys.readouterr().err


OTHER = """
import sys
from latticework.core import runs
with runs.alone(sys.argv[1]):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_another_run_is_kept_out_until_it_ends_even_by_a_crash(tmp_path):
    folder = tmp_path / "model"
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"in\n"
        with (
            pytest.raises(lw.InputError, match=f"another run is using {folder}: wait for it to end"),
            runs.alone(folder),
        ):
            pytest.fail("two runs at a time")
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert (folder / "training" / "lock").exists()
    with runs.alone(folder):
        shutil.copy(__file__, folder / "training" / "log.csv")
    assert os.listdir(folder / "training") == ["log.csv"]
    with runs.alone(folder):
        pass


def test_runs_in_one_process_keep_each_other_out_and_leave_nothing(tmp_path):
    folder = tmp_path / "model"
    with runs.alone(folder), pytest.raises(lw.InputError, match="another run"), runs.alone(folder):
        pytest.fail("two runs at a time")
    assert list(tmp_path.iterdir()) == []


def test_first_process_keeps_others_out_for_all(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with runs.alone(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with runs.alone(tmp_path):
            pass
        assert (tmp_path / "training" / "lock").exists()
        monkeypatch.delenv("RANK")


def test_folder_in_which_nothing_can_be_locked_is_no_error(tmp_path):
    (tmp_path / "training").write_text("a file")
    with runs.alone(tmp_path), runs.alone(None):
        pass
    assert os.listdir(tmp_path) == ["training"]


def test_unfinished_run_has_no_model(tmp_path):
    assert runs.finished(tmp_path / "absent", "this run") is None
    checkpointed(tmp_path / "training")
    assert runs.finished(tmp_path, "this run") is None
    assert (tmp_path / "training" / "config.json").exists()


def test_model_of_another_run_is_never_lost(tmp_path, model):
    model.save(tmp_path)
    with pytest.raises(
        lw.InputError, match=r"holds a runs.Remembered of other data or settings.*--restart \(restart=True\)"
    ):
        runs.finished(tmp_path, "another run")


@pytest.mark.parametrize("header", [{"kind": "model", "class": "fake.NeighbourBank"}, {"kind": "note"}])
def test_folder_of_something_else_is_refused(tmp_path, header):
    write_folder(tmp_path, header=header, state=State())
    with pytest.raises(lw.InputError, match="--restart"):
        runs.finished(tmp_path, "this run")


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(lw.InputError, match="not Latticework's"):
        runs.finished(tmp_path, "this run")


def test_folder_that_cannot_be_written_is_found_out_before_long_work(tmp_path, model, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "training").touch()
    for folder in (tmp_path / "file" / "below", tmp_path / "run"):
        with pytest.raises(lw.InputError, match=r"cannot be written: .* is not a folder"):
            runs.check_folder(folder)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # whoever runs the tests may write anywhere
    with pytest.raises(
        lw.InputError, match=f"new/run cannot be written: there is no permission to write in {tmp_path}"
    ):
        runs.check_folder(tmp_path / "new" / "run")
    model.save(tmp_path)
    runs.check_folder(tmp_path)  # it is only loaded if it is of the same run
    with pytest.raises(lw.InputError, match="cannot be written: there is no permission"):
        runs.check_folder(tmp_path, restart=True)


def test_a_folder_of_other_things_is_refused_and_one_of_an_unfinished_run_is_not(tmp_path):
    (tmp_path / "training").mkdir()
    for name in ("bank-0123456789abcdef.safetensors", ".latticework-0123456789abcdef.tmp"):
        (tmp_path / name).touch()
    runs.check_folder(tmp_path)
    (tmp_path / "notes.txt").touch()
    for restart in (False, True):
        with pytest.raises(lw.InputError, match=r"holds other things, such as notes\.txt: choose another folder"):
            runs.check_folder(tmp_path, restart=restart)


def test_check_of_a_folder_changes_nothing(tmp_path):
    runs.check_folder(tmp_path / "new" / "run")
    runs.check_folder(tmp_path, restart=True)
    assert list(tmp_path.iterdir()) == []


def test_one_process_writes_for_all(tmp_path, model, monkeypatch):
    waited = []
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "barrier", lambda: waited.append((tmp_path / "config.json").exists()))
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in (1, 0):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        runs.conclude(model, tmp_path)
        assert (tmp_path / "config.json").exists() == (rank == 0)
    assert waited == [False, False, True, True]  # each process goes on when all have saved, and when all are done


def test_a_model_that_was_trained_together_is_saved_once(tmp_path, model, monkeypatch):
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "barrier", lambda: None)
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    model.save(tmp_path)
    assert not any(tmp_path.iterdir())
    monkeypatch.setattr(distributed, "get_rank", lambda: 0)
    model.save(tmp_path)
    assert (tmp_path / "config.json").exists()
    assert torch.distributed.is_initialized()  # the stand-in


def test_a_run_learns_once_and_afterwards_is_given_what_it_learnt(tmp_path, model, capsys):
    calls = []

    def learn_into(estimator):
        def learn():
            calls.append(estimator)
            estimator.__dict__.update(vars(model))

        return learn

    first, again = Remembered(random_state=0), Remembered(random_state=0)
    run = Run.begin(first, tmp_path)
    run.once(first, "this run", learn_into(first))
    with lw.progress.showing():
        run.once(again, "this run", learn_into(again))
    assert calls == [first]
    assert np.array_equal(again.bank_, model.bank_)
    assert "holds the finished model of this run already" in capsys.readouterr().err
    with pytest.raises(lw.InputError, match="other data or settings"):
        run.once(again, "another run", learn_into(again))
    assert calls == [first]


def test_a_run_without_a_folder_learns_and_saves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []
    learner = Remembered(random_state=0)
    run = Run.begin(learner, None)
    run.once(learner, "this run", lambda: calls.append("learnt"))
    assert calls == ["learnt"]
    assert list(tmp_path.iterdir()) == []


def test_a_run_trains_where_its_folder_says_and_leaves_the_model_alone(tmp_path, model):
    learner = Remembered(random_state=0)
    run = Run.begin(learner, tmp_path)
    rows = []

    def learn():
        rows.extend(run.train(Regression(), plan(), precision="64", fingerprint="this run"))
        assert (run.training / "config.json").exists()
        learner.__dict__.update(vars(model))

    run.once(learner, "this run", learn)
    assert rows
    assert sorted(path.name for path in run.training.iterdir()) == ["log.csv"]
    assert isinstance(lw.load(tmp_path), Remembered)


def test_a_run_on_a_device_that_is_not_there_is_refused_before_anything_is_made(tmp_path):
    class Elsewhere(Remembered):
        def __init__(self, random_state=None, device="auto"):
            super().__init__(random_state=random_state)
            self.device = device

    with pytest.raises(lw.InputError, match="device='none'"):
        Run.begin(Elsewhere(random_state=0, device="none"), tmp_path / "model")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "parameters, told",
    [
        ({"random_state": np.random.default_rng(0)}, "random_state is a Generator, which cannot be saved"),
        ({"contamination": {"share": {1, 2}}}, r"contamination\.share is a set, which a folder cannot hold"),
    ],
)
def test_what_a_folder_cannot_hold_is_refused_before_a_run_that_saves(tmp_path, parameters, told):
    learner = Remembered(**{"random_state": 0, **parameters})
    Run.begin(learner, None)
    with pytest.raises(lw.InputError, match=told):
        Run.begin(learner, tmp_path / "model")
    assert not any(tmp_path.iterdir())


def test_a_fingerprint_is_of_settings_in_whatever_order_and_of_all_the_data():
    config, array = make_dataclass("Config", ["rate"])(0.1), np.arange(6).reshape(2, 3)
    mark = runs.fingerprint(1, {"seed": 0, "dim": 4}, config, [array.T, b"facts"])
    assert mark == runs.fingerprint(1, {"dim": 4, "seed": 0}, config, [array.T.copy(), b"fa", b"cts"])
    others = [
        runs.fingerprint(2, {"seed": 0, "dim": 4}, config, [array.T, b"facts"]),
        runs.fingerprint(1, {"seed": 1, "dim": 4}, config, [array.T, b"facts"]),
        runs.fingerprint(1, {"seed": 0, "dim": 4}, type(config)(0.2), [array.T, b"facts"]),
        runs.fingerprint(1, {"seed": 0, "dim": 4}, config, [array, b"facts"]),
        runs.fingerprint(1, {"seed": 0, "dim": 4}, config, [array.T]),
    ]
    assert len({mark, *others}) == 6
