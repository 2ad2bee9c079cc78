import os

import numpy as np
import pytest
import torch
from tasks import CAPABILITY, Regression, Remembered, plan
from torch import distributed

import latticework as lw
from latticework.core import Estimator, State, runs, training, write_folder
from latticework.core.capability import register


@pytest.fixture(autouse=True)
def _registered():
    with register(CAPABILITY):
        yield


@pytest.fixture
def model():
    return Remembered(random_state=0).fit(np.random.default_rng(0).normal(size=(6, 2)), "this run")


def checkpointed(folder):
    training.train(Regression(), plan(), seed=0, device="cpu", precision="64", folder=folder)
    assert (folder / "config.json").exists()


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


def test_check_of_a_folder_changes_nothing(tmp_path):
    runs.check_folder(tmp_path / "new" / "run")
    runs.check_folder(tmp_path, restart=True)
    assert list(tmp_path.iterdir()) == []


def test_one_process_writes_for_all(tmp_path, model, monkeypatch):
    waited = []
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "barrier", lambda: waited.append((tmp_path / "config.json").exists()))
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
