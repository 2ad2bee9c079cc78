import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import fakes
import numpy as np
import pytest
import torch

import latticework as lw
from latticework.core import State, persistence, read_folder, store_tensors, temporaries, write_folder
from latticework.core.persistence import check_free
from latticework.core.runs import check_folder
from latticework.core.temporaries import temporary_file

KILLED_SAVE = Path(__file__).with_name("killed_save.py")
pytestmark = pytest.mark.usefixtures("fakes_registered")


ODD_GROUPS = {
    "objects": {"x": np.array([object()])},
    "strings": {"x": np.array(["a"])},
    "complex": {"x": np.zeros(2, complex)},
    "dates": {"x": np.zeros(1, "M8[s]")},
    "lists": {"x": [1.0, 2.0]},
    "mixed": {"x": np.zeros(1), "y": torch.zeros(1)},
    "numbered": {1: np.zeros(1)},
    "reserved": {"__metadata__": np.zeros(1)},
}


@pytest.mark.parametrize("group", ODD_GROUPS)
def test_what_is_no_tensor_is_refused_and_leaves_nothing(tmp_path, group):
    write_folder(tmp_path / "new", header={}, state=State())
    for folder in (tmp_path / "new", tmp_path / "absent"):
        before = contents(folder)
        state = State(tensors={"good": {"x": np.ones(3)}, group: ODD_GROUPS[group]}, files={"a.txt": b""})
        with pytest.raises(lw.InputError, match=group):
            write_folder(folder, header={}, state=state)
        assert contents(folder) == before
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "a b", "", ".hidden", "a.b.c", "é", "x" * 101])
def test_odd_names_of_groups_and_files_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="plain name"):
        store_tensors(tmp_path, name, {})
    with pytest.raises(ValueError, match="plain name"):
        write_folder(tmp_path, header={}, state=State(files={name: b""}))
    assert not list(tmp_path.iterdir())


def test_header_cannot_use_the_keys_of_the_format(tmp_path):
    with pytest.raises(ValueError, match="checksum"):
        write_folder(tmp_path, header={"checksum": "mine"}, state=State())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else None


def test_same_content_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        state = State({"b": 1, "a": 2}, {"group": {"y": np.ones(3, "f4"), "x": np.arange(4)}}, {"words.txt": b"ein"})
        write_folder(tmp_path / name, header={"kind": "test"}, state=state)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_files_have_the_permissions_of_ordinary_files(tmp_path):
    (tmp_path / "ordinary").touch()
    write_folder(tmp_path / "new", header={}, state=State({}, {"group": {"x": np.ones(1)}}, {"a.txt": b""}))
    modes = {path.stat().st_mode for path in (tmp_path / "new").iterdir()}
    assert modes == {(tmp_path / "ordinary").stat().st_mode}


def test_replaced_content_is_removed_and_foreign_files_are_left_alone(tmp_path):
    foreign = ["notes.txt", "bank-0123456789abcdef.safetensors", ".hidden", "report-00000000deadbeef.html"]
    for name in foreign:
        (tmp_path / name).write_text("mine")
    (tmp_path / "logs-0123456789abcdef").mkdir()
    for number in range(3):
        state = State({}, {"bank": {"x": np.full(3, number)}}, {"words.txt": b"%d" % number})
        write_folder(tmp_path, header={}, state=state)
    config = json.loads((tmp_path / "config.json").read_bytes())
    ours = {config["tensors"]["bank"]["name"], config["files"]["words.txt"]["name"]}
    assert set(os.listdir(tmp_path)) == {*foreign, "logs-0123456789abcdef", "config.json"} | ours
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_damage_is_healed_by_saving_again(saved, copied):
    for path in copied.glob("*-*"):
        path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(lw.InputError, match="checksum"):
        lw.load(copied)
    saved[1].save(copied)
    assert contents(copied) == contents(saved[0])


def test_a_config_of_something_else_is_not_overwritten(tmp_path):
    for text in ('{"model_type": "bert"}', "[]", "not JSON", ""):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(lw.InputError, match="choose another folder"):
            write_folder(tmp_path, header={}, state=State({}, {"bank": {"x": np.ones(2)}}))
        assert contents(tmp_path) == {"config.json": text.encode()}


def test_a_model_is_replaced_where_that_is_asked_for_and_other_things_are_not(saved, copied, tmp_path):
    remedy = "choose another folder"
    with pytest.raises(lw.InputError, match=rf"holds a model \(fake\.Twofold\) already: {remedy}$"):
        check_free(copied)
    with pytest.raises(lw.InputError, match=rf"already: {remedy}, or replace it with --restart \(restart=True\)$"):
        check_free(copied, restart=False)
    check_free(copied, restart=True)
    (copied / "config.json").unlink()
    check_free(copied)  # an interrupted save leaves as much
    (copied / "training").mkdir()
    with pytest.raises(lw.InputError, match="holds other things, such as training: choose another folder"):
        check_free(copied, restart=True)
    (tmp_path / "file").touch()
    with pytest.raises(lw.InputError, match="is not a folder"):
        check_free(tmp_path / "file" / "model")


def test_a_file_in_the_place_of_the_folder_is_not_overwritten(tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(lw.InputError, match="is a file"):
        write_folder(tmp_path / "model", header={}, state=State())
    assert (tmp_path / "model").read_text() == "mine"


def test_a_folder_that_may_not_be_entered_is_neither_empty_nor_foreign_nor_damaged(saved, copied, monkeypatch):
    def refused(path, **options):
        if Path(path).parent == copied:  # as to whoever is not root, and lacks x on the folder
            raise PermissionError(13, "Permission denied", str(path))
        return lstat(path, **options)

    _, state = read_folder(copied)
    lstat = os.lstat
    monkeypatch.setattr(os, "lstat", refused)
    for use in (lw.load, check_free, check_folder, saved[1].save, lambda _: dict(state.tensors["bank"])):
        with pytest.raises(lw.InputError, match="cannot be read: Permission denied"):
            use(copied)


def test_a_model_is_not_saved_where_one_may_not_enter(saved, closed):
    for use in (lw.load, check_free, check_folder, saved[1].save):
        with pytest.raises(lw.InputError, match=r"closed/model.* cannot be read: Permission denied"):
            use(closed / "model")


def test_a_config_that_may_not_be_read_is_told_as_such(copied, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(lw.InputError, match=r"config\.json cannot be read: Permission denied"):
        check_free(copied)


def test_a_model_is_replaced_in_a_folder_whose_own_may_not_be_listed(copied, monkeypatch):
    def refused(path, *arguments, **options):
        if path == copied.parent:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    opened = os.open
    monkeypatch.setattr(os, "open", refused)
    other = fakes.Twofold(random_state=4).fit(np.eye(5))
    other.save(copied)
    assert np.array_equal(lw.load(copied).bank_, other.bank_)


def test_failed_write_leaves_the_old_content(saved, copied, monkeypatch):
    def full(source, target):
        if Path(target).name == "config.json":
            raise OSError(28, "No space left on device")
        return replace(source, target)

    replace = os.replace
    monkeypatch.setattr(os, "replace", full)
    other = fakes.Twofold(random_state=4).fit(np.eye(5))
    with pytest.raises(OSError, match=r"No space left on device: '.*config\.json'"):
        other.save(copied)
    assert contents(copied) == contents(saved[0])


def test_a_folder_that_an_interrupted_write_has_left_goes_with_the_next(copied):
    left = copied / ".latticework-0123456789abcdef.tmp"
    (left / "inner").mkdir(parents=True)
    (left / "inner" / "half").write_text("half")
    other = fakes.Twofold(random_state=4).fit(np.eye(5))
    other.save(copied)
    assert not left.exists()
    assert np.array_equal(lw.load(copied).bank_, other.bank_)


def test_what_another_process_is_writing_in_the_folder_stays(copied):
    with temporary_file(copied / "note") as (path, _):
        fakes.Twofold(random_state=4).fit(np.eye(5)).save(copied)
        assert path.exists()


class Slow:
    """Stores tensors slowly, where whoever else saves is to wait."""

    def __init__(self, monkeypatch, seconds):
        self.seconds, self.begun, self.inside, self.most = seconds, Event(), 0, 0
        monkeypatch.setattr(persistence, "store_tensors", self.store)

    def store(self, folder, group, tensors):
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            stored = store_tensors(folder, group, tensors)
            self.begun.set()
            time.sleep(self.seconds)
            return stored
        finally:
            self.inside -= 1


def bank(number):
    return State({}, {"bank": {"x": np.full(2, number)}})


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("others", [{}, {"not a tensor": {}}])
def test_who_saves_where_another_is_saving_waits_until_that_is_done(tmp_path, monkeypatch, linked, others):
    folder = tmp_path / "model"
    if linked:
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    slow = Slow(monkeypatch, 0.1)
    with ThreadPoolExecutor() as pool:
        one = pool.submit(write_folder, folder, header={}, state=State({}, {**bank(0).tensors, **others}))
        slow.begun.wait()
        write_folder(folder, header={}, state=bank(1))
        assert (one.exception() is not None) == bool(others)
    assert slow.most == 1
    assert read_folder(folder)[1].tensors["bank"]["x"].tolist() == [1, 1]
    assert len(os.listdir(folder)) == 2, "config.json and the bank"


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
def test_a_save_that_takes_long_is_waited_for_and_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(temporaries, "PATIENCE", 0.02)
    slow = Slow(monkeypatch, 0.2)
    with ThreadPoolExecutor() as pool:
        one = pool.submit(write_folder, tmp_path / "model", header={}, state=bank(0))
        slow.begun.wait()
        with pytest.warns(UserWarning, match=r"another process is writing in .*model: waiting for it"):
            write_folder(tmp_path / "model", header={}, state=bank(1))
        one.result()
    assert slow.most == 1
    assert read_folder(tmp_path / "model")[1].tensors["bank"]["x"].tolist() == [1, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
def test_one_writer_at_a_time_also_where_one_that_failed_removed_the_folder(tmp_path, monkeypatch):
    slow = Slow(monkeypatch, 0.05)
    with ThreadPoolExecutor() as pool:
        state = State({}, {**bank(0).tensors, "not a tensor": {}})
        failing = pool.submit(write_folder, tmp_path / "model", header={}, state=state)
        slow.begun.wait()
        others = [
            pool.submit(write_folder, tmp_path / "model", header={}, state=bank(number)) for number in range(1, 6)
        ]
        assert failing.exception() is not None
        for other in others:
            other.result()
    assert slow.most == 1
    assert len(set(read_folder(tmp_path / "model")[1].tensors["bank"]["x"].tolist())) == 1
    assert len(os.listdir(tmp_path / "model")) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
def test_a_mark_that_another_writer_has_just_made_is_removed_with_a_lock_on_it_alone(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (mark := temporaries._mark(tmp_path / "model")).touch()
    there, remove = [], temporaries.remove_leftover

    def later(path):
        there.append(mark.exists())
        if len(there) > 1:
            remove(path)

    monkeypatch.setattr(temporaries, "remove_leftover", later)
    write_folder(tmp_path / "model", header={}, state=bank(0))
    assert there[:2] == [True, True]


def test_what_marks_a_writer_that_was_killed_stops_nobody(tmp_path):
    (tmp_path / "model").mkdir()
    temporaries._mark(tmp_path / "model").touch()
    write_folder(tmp_path / "model", header={}, state=bank(0))
    assert len(os.listdir(tmp_path / "model")) == 2


def test_what_cannot_be_removed_after_the_commit_stays_and_is_no_error(copied, monkeypatch):
    def refuse(path, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    before = set(os.listdir(copied))
    other = fakes.Twofold(random_state=4).fit(np.eye(5))
    monkeypatch.setattr(Path, "unlink", refuse)
    other.save(copied)
    assert before < set(os.listdir(copied))
    assert np.array_equal(lw.load(copied).bank_, other.bank_)


def test_interrupt_just_after_the_commit_keeps_the_new_content(copied, monkeypatch):
    def interrupted(source, target):
        replace(source, target)
        if Path(target).name == "config.json":
            raise KeyboardInterrupt

    replace = os.replace
    monkeypatch.setattr(os, "replace", interrupted)
    other = fakes.Twofold(random_state=4).fit(np.eye(5))
    with pytest.raises(KeyboardInterrupt):
        other.save(copied)
    assert np.array_equal(lw.load(copied).bank_, other.bank_)


def killed_save(folder, kind):
    """Return the command that saves into a folder and is killed, and its environment."""
    paths = os.pathsep.join([str(KILLED_SAVE.parents[1]), os.environ.get("PYTHONPATH", "")])
    return [sys.executable, "-W", "ignore", KILLED_SAVE, folder, kind], {**os.environ, "PYTHONPATH": paths}


@pytest.mark.parametrize("kind, before", [("over", "old"), ("first", "nothing")])
def test_kill_at_any_operation_of_a_save_leaves_the_old_model_or_the_new(tmp_path, kind, before):
    program, environment = killed_save(tmp_path / "model", kind)
    output = subprocess.run(program, env=environment, check=True, capture_output=True, text=True).stdout
    kills = [json.loads(line) for line in output.splitlines()]
    states = [state for state, _, _ in kills]
    commit = states.index("new")
    assert states == [before] * commit + ["new"] * (len(states) - commit)
    assert commit > 50, "the operations before the commit must be many, or the kill is not where it is meant to be"
    assert len(states) - commit > 3
    assert {later for _, later, _ in kills} == {"later"}
    assert len({tuple(names) for _, _, names in kills}) == 1, "a further save must clear up what a kill left"


def test_kill_at_random_times_leaves_the_old_model_or_the_new(tmp_path):
    chance = random.Random(0)
    known = {name: fakes.Twofold(random_state=seed).fit(points(seed)) for name, seed in {"old": 1, "new": 2}.items()}
    program, environment = killed_save(tmp_path / "model", "forever")
    for _ in range(4):
        with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "saved\n"
            time.sleep(chance.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
        loaded = lw.load(tmp_path / "model")
        assert any(
            np.array_equal(loaded.bank_, model.bank_) and np.array_equal(loaded.weights_, model.weights_)
            for model in known.values()
        )


def points(seed):
    return np.random.default_rng(seed).normal(size=(8, 2))
