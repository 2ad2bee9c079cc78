"""A run that was interrupted goes on where it was, or says why it cannot."""

import shutil

import pytest
import torch
from tasks import Regression, adam, as_logged, learn, plan, read_log

import latticework as lw
from latticework.core import checkpoint, files, training
from latticework.core.loggers import without_timings

RUN = {
    "optimizer": adam,
    "accumulate": 2,
    "average": 2,
    "clip_norm": 1.0,
    "checkpoint_seconds": 0.0,
    "checkpoint_pause": 0.0,
}
SIZES = (4, 3, 1, 4, 2)  # three steps an epoch


def run(folder, *, stop_at=None, task=None, **options):
    """A run that checkpoints at every step, and is perhaps interrupted when it asks for its n-th batch."""
    task = task or Regression(SIZES, dropout=0.3, validates=True)
    serve = task.inputs

    def inputs(batch):
        if task.served == stop_at:
            raise KeyboardInterrupt
        return serve(batch)

    task.inputs = inputs
    return task, learn(task, plan(**RUN), folder=folder, fingerprint="mine", **options)


def test_run_goes_on_after_an_interrupt_wherever_it_was(tmp_path):
    whole, rows = run(tmp_path / "whole")
    assert whole.served == 15
    for stop_at in (1, 2, 5, 9, 10, 14):  # before the first checkpoint, between batches of a step, steps and epochs
        folder = tmp_path / str(stop_at)
        with pytest.raises(KeyboardInterrupt):
            run(folder, stop_at=stop_at)
        task, again = run(folder)
        assert task.weights().tobytes() == whole.weights().tobytes()
        assert without_timings(again) == without_timings(rows)
        assert task.served <= whole.served - stop_at + 2  # the batches of the interrupted step, and those left
        assert read_log(folder) == as_logged(again)
        assert not task.module.training


def test_interrupt_while_a_checkpoint_is_written_leaves_the_last_one(tmp_path, monkeypatch):
    whole, _ = run(tmp_path / "whole")
    replace, write = files.os.replace, checkpoint.write
    operations, steps = [], []

    def interrupted(*names):
        operations.append(names)
        if len(operations) == stop_at:
            raise KeyboardInterrupt
        replace(*names)

    def noted(folder, fingerprint, state):
        write(folder, fingerprint, state)
        steps.append(state.position.step)

    monkeypatch.setattr(files.os, "replace", interrupted)
    monkeypatch.setattr(checkpoint, "write", noted)
    for stop_at in (8, 11, 23, 40):  # within the second checkpoint, one after a validation, and the last moment of one
        operations.clear()
        steps.clear()
        folder = tmp_path / str(stop_at)
        with pytest.raises(KeyboardInterrupt):
            run(folder)
        found = checkpoint.read(folder, "mine", torch.device("cpu"))
        assert found.position.step == steps[-1]
        assert all(len(group) for group in (found.module, found.optimizer, found.generators))
        task, _ = run(folder)
        assert task.weights().tobytes() == whole.weights().tobytes()


@pytest.mark.parametrize("chosen", [{"max_epochs": 2}, {"max_steps": 6, "validate_every": 3, "max_epochs": None}])
def test_run_interrupted_between_its_last_checkpoint_and_its_end_takes_no_further_step(tmp_path, monkeypatch, chosen):
    def stop(*_):
        raise KeyboardInterrupt

    whole = Regression(validates=True)
    learn(whole, plan(**chosen))
    with monkeypatch.context() as patched:
        patched.setattr(training._Loop, "_finish", stop)
        with pytest.raises(KeyboardInterrupt):
            learn(Regression(validates=True), plan(**chosen), folder=tmp_path)
    task = Regression(validates=True)
    rows = learn(task, plan(**chosen), folder=tmp_path)
    assert task.served == 0
    assert rows[-1]["step"] == 6
    assert task.weights().tobytes() == whole.weights().tobytes()


def test_finished_run_gives_its_result_again(tmp_path):
    whole, rows = run(tmp_path)
    task, again = run(tmp_path)
    assert task.served == 0
    assert again == rows
    assert read_log(tmp_path) == as_logged(rows)
    assert task.weights().tobytes() == whole.weights().tobytes()


def test_restart_starts_over_and_drops_the_checkpoint_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=12)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=0, restart=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "notes.txt"]
    assert read_log(tmp_path) == []
    task, rows = run(tmp_path, restart=True)
    whole, expected = run(tmp_path / "whole")
    assert task.served == whole.served
    assert without_timings(rows) == without_timings(expected)


def test_interrupted_restart_goes_on_where_it_was_when_told_to_restart_again(tmp_path):
    whole, expected = run(tmp_path / "whole")
    folder = tmp_path / "run"
    run(folder)
    for stop_at, served in ((9, 9), (4, 4)):
        task = Regression(SIZES, dropout=0.3, validates=True)
        with pytest.raises(KeyboardInterrupt):
            run(folder, stop_at=stop_at, task=task, restart=True)
        assert task.served == served
    task, rows = run(folder, restart=True)
    assert task.served == 15 - 9 - 3  # 4 were served, but the last of them for a step that was not made
    assert task.weights().tobytes() == whole.weights().tobytes()
    assert without_timings(rows) == without_timings(expected)


@pytest.mark.parametrize("damage", [False, True])
def test_restart_starts_over_where_the_checkpoint_is_not_its_own(tmp_path, damage):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=9, restart=True)
    if damage:
        [path] = tmp_path.glob("optimizer-*")
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    else:  # a call without restart took it up
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, stop_at=4)
    task, _ = run(tmp_path, restart=True)
    assert task.served == 15


@pytest.mark.parametrize("text", [b"", b'{"format": 1', b"\0" * 9, b'{"format": 1, "checksum": 0}'])
def test_restart_starts_over_where_the_config_is_damaged(tmp_path, text):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=9)
    (tmp_path / "config.json").write_bytes(text)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=0, restart=True)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
    task, _ = run(tmp_path, restart=True)
    assert task.served == 15


def test_restart_leaves_the_config_of_others(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "optimizer-0123456789abcdef.safetensors").write_text("mine")
    with pytest.raises(lw.InputError, match="not Latticework's"):
        run(tmp_path, restart=True)
    assert (tmp_path / "config.json").read_text() == "{}"


def test_checkpoint_is_dropped_once_all_processes_have_read_it(tmp_path, monkeypatch):
    order = []
    for place, name in ((checkpoint, "read_restarted"), (training, "check_agreed"), (checkpoint, "discard")):
        usual = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *given, name=name, usual=usual: order.append(name) or usual(*given))
    run(tmp_path, restart=True)
    assert order == ["read_restarted", "check_agreed", "discard"]


def test_restarted_run_of_other_settings_is_not_gone_on_with(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=9, restart=True)
    task = Regression(SIZES)
    learn(task, plan(**RUN), folder=tmp_path, fingerprint="another", restart=True)
    assert task.served == 15


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_checkpoint_of_another_run_is_refused_before_anything_is_changed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=12)
    before = contents(tmp_path)
    task = Regression(SIZES)
    with pytest.raises(lw.InputError, match=r"other data or settings.*--restart"):
        learn(task, plan(**RUN), folder=tmp_path, fingerprint="another")
    assert contents(tmp_path) == before
    assert not task.weights().any()


def test_checkpoint_of_more_processes_is_refused_before_anything_is_changed(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=12)
    before = contents(tmp_path)
    monkeypatch.setattr(checkpoint, "process_count", lambda: 3)
    task = Regression(SIZES, dropout=0.3, validates=True)
    with pytest.raises(lw.InputError, match=r"unfinished run of 1 processes, this one has 3: .*--restart"):
        run(tmp_path, task=task)
    assert contents(tmp_path) == before
    assert not task.weights().any()


def test_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for folder, why in (
        ("file", "is a file, expected the name of a folder"),
        ("file/below", "cannot be written: Not a "),
    ):
        with pytest.raises(lw.InputError, match=f"{folder} {why}"):
            learn(Regression(), plan(), folder=tmp_path / folder)


def test_run_can_go_on_in_another_place(tmp_path):
    whole, _ = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "here", stop_at=11)
    shutil.move(tmp_path / "here", tmp_path / "there")
    task, _ = run(tmp_path / "there")
    assert task.weights().tobytes() == whole.weights().tobytes()


class Noted:
    def __init__(self):
        self.rows, self.closed = [], 0

    def log(self, row):
        self.rows.append(dict(row))

    def close(self):
        self.closed += 1


def test_loggers_get_every_row_once_and_are_closed_whatever_happens(tmp_path):
    noted = Noted()
    _, rows = run(tmp_path, loggers=[noted])
    assert noted.rows == rows
    assert noted.closed == 1
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=5, restart=True, loggers=[noted])
    assert noted.closed == 2


def test_log_goes_on_after_an_interrupt_without_rows_twice_and_counts_the_time_before(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=14)
    before = read_log(tmp_path)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("99,9,")  # what a killed run may leave
    _, rows = run(tmp_path)
    log = read_log(tmp_path)
    assert log == as_logged(rows)
    assert log[: len(before)] == before
    steps = [row["step"] for row in log if row["loss"]]
    assert steps == [str(step) for step in range(1, 10)]
    seconds = [float(row["seconds"]) for row in log]
    assert seconds == sorted(seconds)
