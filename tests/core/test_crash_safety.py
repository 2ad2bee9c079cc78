"""A training that is killed, at whatever moment, and started again ends as one that never was."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tasks

import latticework as lw
from latticework.core import read_folder, training
from latticework.core.loggers import without_timings
from latticework.core.progress import showing
from latticework.core.values import from_json

KILLED_TRAINING = Path(__file__).with_name("killed_training.py")
SEED = 20170612


def program(*arguments):
    """The program, and an environment in which it finds what it imports, on one processor."""
    here = Path(__file__).parents[1]
    path = os.pathsep.join([str(here), *filter(None, [os.environ.get("PYTHONPATH")])])
    return [sys.executable, str(KILLED_TRAINING), *map(str, arguments)], {**os.environ, "PYTHONPATH": path}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folders of many killed runs and of one that was not, and how each of them went."""
    folder = tmp_path_factory.mktemp("killed")
    command, environment = program("kills", folder, SEED)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, dict(map(json.loads, done.stdout.splitlines()))


def outcome(folder):
    """All that a run ends with, but for its timings."""
    model = lw.load(folder)  # verifies every checksum
    header, state = read_folder(folder)
    history = from_json(state.files["history.json"])
    losses = {row["valid_loss"]: row["step"] for row in reversed(history) if "valid_loss" in row}
    return {
        "files": sorted(path.name for path in folder.iterdir()),  # names carry checksums
        "training": sorted(path.name for path in (folder / "training").iterdir()),
        "header": header,
        "values": state.values,
        "history": history,
        "log": without_timings(tasks.read_log(folder / "training")),
        "best step": losses[min(losses)],
        "vocabulary": model.vocabulary_.model,
        "weights": {name: tensor.numpy().tobytes() for name, tensor in model.model_.state_dict().items()},
    }


@pytest.fixture(scope="module")
def whole(killed):
    return outcome(killed[0] / "whole")


def test_training_in_these_tests_has_all_that_must_be_restored(killed, whole):
    config, counts = tasks.translator().config, killed[1]["whole"]
    assert config.dropout > 0
    assert config.accumulate > 1
    assert config.average_checkpoints > 1
    assert [row["step"] for row in whole["history"] if "loss" in row] == list(range(1, 9))
    assert [row["step"] for row in whole["history"] if "valid_loss" in row] == [3, 6, 8]
    assert whole["training"] == ["log.csv"]
    parts = ["averaging", "batches", "checkpoint", "discarding", "elsewhere", "logging", "saving", "validation"]
    assert sorted(counts) == [*parts, "vocabulary"]
    assert counts["checkpoint"] > 100


def test_killed_training_ends_like_one_that_was_not(killed, whole):
    folder, stories = killed
    for name in stories:
        assert outcome(folder / name) == whole, (name, stories[name])
        assert not list(folder.glob(f"{name}/**/.*")), (name, stories[name])  # no temporary file stays


def test_training_was_killed_in_each_of_its_parts(killed):
    parts = dict(killed[1])
    counts = parts.pop("whole")
    for name in [name for name in parts if name == "again" or name.startswith("timed")]:
        del parts[name]
    assert {story[0][0][0] for story in parts.values()} == set(counts)
    assert all(story[0][1] for story in parts.values())
    assert sum(was_killed for story in parts.values() for _, was_killed in story) >= 25
    # the model was saved and the checkpoint is there; the checkpoint has gone
    assert parts["saved"][0] == [["saving", counts["saving"]], True]
    assert parts["discarded"][0] == [["discarding", counts["discarding"]], True]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The command that trains on files, for a new interpreter each time."""
    folder = tmp_path_factory.mktemp("command")
    for name, part in (("train", slice(None)), ("valid", slice(2, 6))):
        for side, language in enumerate(("en", "de")):
            lines = [pair[side] + "\n" for pair in tasks.SENTENCES[part]]
            (folder / f"{name}.{language}").write_text("".join(lines), encoding="utf-8")
    texts = [folder / "train.en", folder / "train.de", "--valid", folder / "valid.en", folder / "valid.de"]
    options = ["-o", folder / "model", "--seed", "5", "--device", "cpu", "--precision", "32"]
    return folder / "model", program("translate", "fit", *texts, *options)


def kill_while_it_trains(line, environment, folder):
    """SIGKILL a command some steps after the first validation of its run."""
    moment = random.Random(SEED).randint(11, 22)  # two for each of 12 batches; the third step ends after the fifth
    environment = {**environment, "KILL_AT": str(moment)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (folder / "config.json").exists()


def complete(line, environment):
    """Let a command end; return what else it says than every run does."""
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "")
    usual = re.compile(r"learning a vocabulary.*|training: .*|the model is in .*|going on after step \d+")
    return [text for text in done.stderr.splitlines() if not usual.fullmatch(text)]


def test_killed_command_given_again_ends_like_a_run_that_was_not_killed(command, whole):
    model, (line, environment) = command
    kill_while_it_trains(line, environment, model / "training")
    assert not (model / "config.json").exists()
    assert complete(line, environment) == []
    found = outcome(model)
    assert found.pop("header")["parameters"]["preset"] == "tiny"
    assert found == {name: value for name, value in whole.items() if name != "header"}


def test_killed_restart_given_again_goes_on_and_keeps_the_old_model_until_then(command, finished, whole):
    model, (line, environment) = command
    line = [*(str(finished) if word == str(model) else word for word in line), "--restart"]
    kill_while_it_trains(line, environment, finished / "training")
    before = {path.name: path.read_bytes() for path in finished.iterdir() if path.is_file()}
    assert sorted([*before, "training"]) == whole["files"]
    assert lw.load(finished).predict(["two"])
    (said,) = complete(line, environment)
    began, remedy = r"the run that --restart \(restart=True\) began", f"remove {finished}/training to begin anew"
    assert re.fullmatch(rf"going on after step [1-8] of {began}; {remedy}", said)
    found = outcome(finished)
    assert found.pop("header")["parameters"]["preset"] == "tiny"  # the new model's; the old one's is "base"
    assert found == {name: value for name, value in whole.items() if name != "header"}
    assert complete(line, environment) == []  # over the finished model it starts over


@pytest.fixture
def finished(killed, tmp_path):
    return Path(shutil.copytree(killed[0] / "whole", tmp_path / "model"))


def stamps(folder):
    """All that is in a folder, and when files were written; the lock of a run comes and goes, which changes folders."""
    abouts = {path: path.stat() for path in folder.rglob("*")}
    return {path: path.is_dir() or (about.st_mtime_ns, about.st_ino) for path, about in abouts.items()}


def test_finished_run_given_again_only_loads_its_model(finished, whole, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("it trains")

    monkeypatch.setattr(training, "train", fail)
    before = stamps(finished)
    again = tasks.fit_translator(finished)
    assert stamps(finished) == before
    assert {name: tensor.numpy().tobytes() for name, tensor in again.model_.state_dict().items()} == whole["weights"]
    assert again.predict(["two", "four"]) == lw.load(finished).predict(["two", "four"])


CHANGES = [{"seed": 6}, {"dropout": 0.3}, {"max_epochs": 5}, {"precision": "64"}, {"average_checkpoints": 3}]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_model_of_other_settings_is_kept_unless_told_to_start_over(finished, changes):
    before = stamps(finished)
    with pytest.raises(lw.InputError, match=r"other data or settings.*--restart \(restart=True\)"):
        tasks.fit_translator(finished, **changes)
    assert stamps(finished) == before


class Interrupt:
    """Stops a run when it asks for its n-th batch."""

    def __init__(self, monkeypatch, at):
        from latticework.seq2seq.learning import PairsTask

        self.left, serve = at, PairsTask.inputs

        def inputs(task, batch):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return serve(task, batch)

        monkeypatch.setattr(PairsTask, "inputs", inputs)


def test_an_interrupted_run_says_where_the_same_again_goes_on(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patched, showing():
        Interrupt(patched, at=10)
        with pytest.raises(KeyboardInterrupt):
            tasks.fit_translator(tmp_path / "model")
    said = capsys.readouterr().err.splitlines()
    with showing():
        tasks.fit_translator(tmp_path / "model")
    step = said[-1].removeprefix("the same again goes on after step ")
    assert int(step) >= 3
    assert f"going on after step {step}" in capsys.readouterr().err.splitlines()


def test_a_run_that_is_interrupted_before_its_first_checkpoint_says_nothing_of_going_on(tmp_path, monkeypatch, capsys):
    Interrupt(monkeypatch, at=1)
    with showing(), pytest.raises(KeyboardInterrupt):
        tasks.fit_translator(tmp_path / "model")
    assert "goes on" not in capsys.readouterr().err


@pytest.fixture
def unfinished(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        Interrupt(patched, at=10)  # after validations, within an epoch
        with pytest.raises(KeyboardInterrupt):
            tasks.fit_translator(tmp_path / "model")
    assert (tmp_path / "model" / "training" / "config.json").exists()
    return tmp_path / "model"


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_unfinished_run_of_other_settings_is_kept_unless_told_to_start_over(unfinished, changes):
    before = stamps(unfinished)
    with pytest.raises(lw.InputError, match=r"other data or settings.*--restart \(restart=True\)"):
        tasks.fit_translator(unfinished, **changes)
    assert stamps(unfinished) == before


def test_unfinished_run_of_other_data_is_kept(unfinished, monkeypatch):
    before = stamps(unfinished)
    monkeypatch.setattr(tasks, "SENTENCES", [*tasks.SENTENCES, ("ten", "zehn")])
    with pytest.raises(lw.InputError, match="other data or settings"):
        tasks.fit_translator(unfinished)
    assert stamps(unfinished) == before


@pytest.mark.parametrize("changes", [{}, {"seed": 6}], ids=str)
@pytest.mark.parametrize("state", ["finished", "unfinished"])
def test_restart_begins_anew_whatever_there_is(request, whole, monkeypatch, state, changes):
    from latticework.seq2seq.learning import PairsTask

    folder = request.getfixturevalue(state)
    served, serve = [], PairsTask.inputs
    monkeypatch.setattr(PairsTask, "inputs", lambda task, batch: served.append(batch) or serve(task, batch))
    tasks.fit_translator(folder, restart=True, **changes)
    assert len(served) == 12
    found = outcome(folder)
    assert (found["weights"] == whole["weights"]) == (not changes)
    assert found["training"] == ["log.csv"]
