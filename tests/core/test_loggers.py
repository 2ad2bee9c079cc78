import csv
import json
import math
import sys
from contextlib import suppress

import pytest
from tasks import Regression, learn, plan

import latticework as lw
from latticework.core import checkpoint, loggers
from latticework.core.loggers import CSVLogger, TensorBoardLogger, make_loggers
from latticework.core.training import train


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_line_a_row_and_a_column_a_figure(tmp_path):
    log = CSVLogger(tmp_path / "run" / "log.csv")
    assert (tmp_path / "run" / "log.csv").read_text() == ""
    log.log({"step": 1, "loss": 0.1 + 0.2})
    log.log({"loss": 0.5, "step": 2})
    log.log({"step": 2})
    log.close()
    lines = (tmp_path / "run" / "log.csv").read_bytes().decode().split("\n")
    assert lines == ["step,loss", "1,0.30000000000000004", "2,0.5", "2,", ""]


def test_csv_column_that_comes_later_is_added_to_all_rows(tmp_path):
    log = CSVLogger(tmp_path / "log.csv", [{"step": 1, "loss": 3.0}])
    log.log({"step": 2, "loss": 2.0})
    log.log({"step": 2, "valid_loss": 2.5})
    log.log({"step": 3, "loss": 1.0})
    rows = read(tmp_path / "log.csv")
    assert [row["step"] for row in rows] == ["1", "2", "2", "3"]
    assert [row["loss"] for row in rows] == ["3.0", "2.0", "", "1.0"]
    assert [row["valid_loss"] for row in rows] == ["", "", "2.5", ""]


def test_csv_of_an_interrupted_run_is_put_right(tmp_path):
    path = tmp_path / "log.csv"
    rows = [{"step": 1, "loss": math.pi}, {"step": 2, "loss": math.inf}]
    path.write_text("step,loss\r\n1,3.1\r\n2,inf\r\n3,0.9\r\n4,0.")
    CSVLogger(path, rows)
    found = read(path)
    assert [{name: float(value) for name, value in row.items()} for row in found] == rows


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder)).Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in tags}


def test_tensorboard_reads_every_figure(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the tensorboard extra")
    [log] = make_loggers(["tensorboard"], tmp_path)
    rows = train(
        Regression(validates=True), plan(), seed=0, device="cpu", precision="64", folder=tmp_path, loggers=[log]
    )
    found = events(tmp_path)
    assert set(found) == {name for row in rows for name in row} - {"step"}
    for name, points in found.items():
        expected = [(row["step"], pytest.approx(row[name])) for row in rows if name in row]
        assert points == expected, name


def test_tensorboard_shows_a_run_that_goes_on_once(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the tensorboard extra")
    for steps, loss in ((range(1, 8), 1.0), (range(5, 10), 2.0)):  # the last checkpoint was at step 4
        log = TensorBoardLogger(tmp_path)
        for step in steps:
            log.log({"step": step, "loss": loss})
        log.close()
    assert events(tmp_path)["loss"] == [(step, 1.0 if step < 5 else 2.0) for step in range(1, 10)]


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_logger_that_is_given_no_row_writes_nothing(tmp_path, name, monkeypatch):
    monkeypatch.setattr(loggers, "require", lambda *_, **__: None)
    [log] = make_loggers([name], tmp_path / "run")
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_a_logger_that_is_no_list_is_quoted_in_part(tmp_path):
    with pytest.raises(lw.InputError, match=r"^loggers='x{59}\.\.\.: expected a list of names$"):
        make_loggers("x" * 999, tmp_path)


def test_wandb_gets_every_figure(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="needs wandb: pip install 'latticework[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    [log] = make_loggers(["wandb"], tmp_path)
    log.log({"step": 1, "loss": 3.0})
    log.log({"step": 2, "loss": 2.0})
    log.log({"step": 3, "loss": 1.0})  # which tells it that step 2 is complete
    assert (wandb.run.step, wandb.run.summary["loss"]) == (3, 2.0)
    log.close()
    assert wandb.run is None
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


class FakeWandb:
    """What Weights & Biases is used for here."""

    def __init__(self):
        self.calls = []

    def init(self, **options):
        self.calls.append(("init", options))
        return self

    def log(self, figures, step):
        self.calls.append((step, figures))

    def finish(self):
        self.calls.append("finish")


def test_wandb_is_told_in_its_own_words(tmp_path, monkeypatch):
    fake = FakeWandb()
    monkeypatch.setattr(loggers, "require", lambda module, **_: {"wandb": fake}[module])
    [log] = make_loggers(["wandb"], tmp_path / "run")
    log.log({"step": 1, "loss": 3.0})
    log.log({"step": 5, "valid_loss": 2.0})
    log.close()
    [name, options] = fake.calls.pop(0)
    assert (name, len(options.pop("id"))) == ("init", 16)
    assert options == {"project": "latticework", "dir": str(tmp_path / "run"), "resume": "allow"}
    assert fake.calls == [
        (1, {"loss": 3.0}),
        (5, {"valid_loss": 2.0}),
        "finish",
    ]


@pytest.fixture
def wandb_ids(tmp_path, monkeypatch):
    """Train, as a call that is interrupted in some step or not, and tell the runs of Weights & Biases so far."""
    fake = FakeWandb()
    monkeypatch.setattr(loggers, "require", lambda *_, **__: fake)

    def run(stop_at=None, **options):
        task = Regression()
        serve = task.inputs

        def inputs(batch):
            if task.served == stop_at:
                raise KeyboardInterrupt
            return serve(batch)

        task.inputs = inputs
        often = plan(checkpoint_seconds=0.0, checkpoint_pause=0.0)
        place = {"folder": tmp_path, "loggers": make_loggers(["wandb"], tmp_path)}
        with suppress(KeyboardInterrupt):
            learn(task, often, **place, **options)
        return [call[1]["id"] for call in fake.calls if call[0] == "init"]

    return run


def test_wandb_goes_on_with_the_run_that_was_interrupted(wandb_ids, tmp_path):
    wandb_ids(stop_at=4)
    wandb_ids(stop_at=1)
    first, second, third = wandb_ids()
    assert first == second == third
    checkpoint.discard(tmp_path)  # as when its model is saved
    assert wandb_ids()[-1] != first


def test_wandb_is_told_of_another_run_by_one_that_starts_over(wandb_ids):
    wandb_ids(stop_at=4)
    wandb_ids(stop_at=4, restart=True)
    first, second, third = wandb_ids(restart=True)
    assert first != second == third


def test_wandb_follows_its_own_environment_variables(tmp_path, monkeypatch):
    fake = FakeWandb()
    monkeypatch.setattr(loggers, "require", lambda *_, **__: fake)
    monkeypatch.setenv("WANDB_RUN_ID", "mine")
    monkeypatch.setenv("WANDB_PROJECT", "ours")
    [log] = make_loggers(["wandb"], tmp_path)
    log.log({"step": 1, "loss": 3.0})
    assert (fake.calls[0][1]["id"], fake.calls[0][1]["project"]) == ("mine", "ours")
    assert list(tmp_path.iterdir()) == []


def test_unknown_logger_is_refused(tmp_path):
    with pytest.raises(lw.InputError, match="logger='tensorbord': expected one of tensorboard, wandb"):
        make_loggers(["tensorboard", "tensorbord"], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert make_loggers([], tmp_path) == []


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_missing_library_is_named_before_anything_is_trained(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(lw.MissingExtraError, match=rf"pip install 'latticework\[{name}\]'"):
        make_loggers([name], tmp_path)


def test_rows_survive_json(tmp_path):
    rows = train(Regression(validates=True), plan(), seed=0, device="cpu", precision="64")
    assert json.loads(json.dumps(rows)) == rows
