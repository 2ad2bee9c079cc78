"""Streams of changes, applied as they arrive: in order, each once, and whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from latticework.core import InputError, read_folder, write_folder
from latticework.core.files import MAX_LINE_BYTES, decode_lines
from latticework.core.progress import showing
from latticework.knowledge import watching
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.estimator import DKGE
from latticework.knowledge.positions import Place, Position, find_place
from latticework.knowledge.saved_model import SavedModel
from latticework.knowledge.watching import Growing, arrivals, transactions, watch

FACTS = [(f"person {n}", "lives in", f"town {n % 3}") for n in range(9)]
FACTS += [(f"person {n}", "knows", f"person {(n + 1) % 9}") for n in range(9)]
LOG = """\
+\tperson 9\tlives in\ttown 1
+\tperson 9\tknows\tperson 0

-\tperson 0\tlives in\ttown 0
+\tperson 0\tlives in\ttown 1

+\ttown 0\tnear\ttown 1
-\tperson 3\tlives in\ttown 0

+\tperson 1\tlives in\ttown 2

-\tperson 9\tknows\tperson 0
-\tperson 9\tlives in\ttown 1
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "model"
    config = DKGEConfig(update_epochs=2, batch_size=8)
    DKGE(4, max_epochs=2, config=config, random_state=0, device="cpu").fit(FACTS).save(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.tsv"
    path.write_text(LOG)
    return path


def follow(folder, path, **options):
    """Apply what a file has now, as a process of its own would; how many lines were applied after each save."""
    return [lines for _, lines in watch(SavedModel.load(folder, device="cpu"), path, once=True, **options)]


def equal(one, other):
    """Whether two models are the same to the last bit."""
    left, right = DKGE.load(one).to_state(), DKGE.load(other).to_state()
    same = left.values == right.values and left.files == right.files
    return same and all(
        np.array_equal(np.asarray(rows), np.asarray(right.tensors[group][name]))
        for group, tensors in left.tensors.items()
        for name, rows in tensors.items()
    )


def checksum(folder):
    return json.loads((folder / "config.json").read_text())["checksum"]


# Lines of a file that grows


def test_lines_of_a_growing_file_come_when_they_are_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.005)
    path = tmp_path / "log.tsv"
    path.write_bytes(b"one\ntw")
    lines = decode_lines(Growing(path, once=False), "log.tsv")
    assert next(lines) == "one"
    found = []
    reader = threading.Thread(target=lambda: found.append(next(lines)), daemon=True)
    reader.start()
    time.sleep(0.05)
    assert found == []
    with path.open("ab") as stream:
        stream.write(b"o\r\nthree")
    reader.join(timeout=10)
    assert found == ["two"]


def test_a_last_line_without_an_end_is_left_for_the_next_time(tmp_path):
    path = tmp_path / "log.tsv"
    path.write_bytes("ein\nzwei grü".encode()[:-1])
    with pytest.warns(UserWarning, match=r"log\.tsv: the last line has no end yet") as caught:
        assert list(decode_lines(Growing(path, once=True), "log.tsv")) == ["ein"]
    assert caught[0].filename == __file__


def test_lines_longer_than_what_is_read_at_once_are_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "_READ_BYTES", 7)
    path = tmp_path / "log.tsv"
    lines = ["x" * 50, "", "ü" * 9, "end"]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert list(decode_lines(Growing(path, once=True), "log.tsv")) == lines


def test_a_file_that_becomes_shorter_is_refused(tmp_path):
    path = tmp_path / "log.tsv"
    path.write_bytes(b"one\ntwo\n")
    lines = decode_lines(Growing(path, once=False), "log.tsv")
    assert [next(lines), next(lines)] == ["one", "two"]
    path.write_bytes(b"one\n")
    with pytest.raises(InputError, match=r"log\.tsv has become shorter"):
        next(lines)


def test_a_file_that_was_cut_off_and_is_as_long_again_is_refused(tmp_path):
    path = tmp_path / "log.tsv"
    for once, later in ((True, b"six\nten\n"), (True, b"six\nten\nmore\n"), (False, b"six\nten\nmore\n")):
        path.write_bytes(b"one\ntwo\n")
        lines = decode_lines(Growing(path, once=once), "log.tsv")
        assert [next(lines), next(lines)] == ["one", "two"]
        path.write_bytes(later)
        with pytest.raises(InputError, match=r"log\.tsv has become shorter or was written anew"):
            next(lines)


def test_a_file_is_known_to_be_as_it_was_by_the_last_bytes_read_a_line_without_an_end_among_them(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(watching, "_KNOWN_BYTES", 6)
    monkeypatch.setattr(watching, "_READ_BYTES", 4)
    path = tmp_path / "log.tsv"
    path.write_bytes(b"one\ntwo\nthr")
    lines = decode_lines(Growing(path, once=False), "log.tsv")
    assert [next(lines), next(lines)] == ["one", "two"]
    path.write_bytes(b"One\ntwo\nthree\nfour\n")  # too far back to be seen
    assert [next(lines), next(lines)] == ["three", "four"]
    with path.open("ab") as stream:
        stream.write(b"fi")
    growing = Growing(path, once=False)
    assert growing.read(19) + growing.read(19) + growing.read(19) + growing.read(19) == b"One\ntwo\nthree\nfour\n"
    threading.Timer(0.05, path.write_bytes, [b"One\ntwo\nthree\nfour\nsix\n"]).start()
    with pytest.raises(InputError, match="was written anew"):
        growing.read(1)


def test_what_cannot_be_read_again_is_refused(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.open("wb").close(), daemon=True)
    writer.start()
    with pytest.raises(InputError, match=r"pipe cannot be read again: .* kg watch MODEL -"):
        Growing(pipe, once=True)
    writer.join(timeout=10)


def test_a_compressed_file_and_one_without_line_ends_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "log.tsv.gz"
    path.write_bytes(gzip.compress(b"one\n"))
    with pytest.raises(InputError, match=r"log\.tsv\.gz is compressed"):
        list(decode_lines(Growing(path, once=True), "log.tsv.gz"))
    with pytest.raises(InputError, match=r"none\.tsv: there is no such file"):
        Growing(tmp_path / "none.tsv", once=True)
    endless = tmp_path / "endless.tsv"
    endless.write_bytes(b"x" * (MAX_LINE_BYTES + 2))
    with pytest.raises(InputError, match="longer than"):
        list(decode_lines(Growing(endless, once=False), "endless.tsv"))


# Transactions


def test_a_blank_line_or_a_pause_ends_a_transaction_and_lines_are_counted_from_the_start():
    place = Place()
    lines = ["", "+\ta\tr\tb", None, None, "+\ta\tr\tc", "", None, "-\ta\tr\tb", "+\ta\tr\td"]
    found = [(delta.add, delta.remove, place.lines) for delta in transactions(lines, "log", place)]
    assert found == [
        ((("a", "r", "b"),), (), 2),
        ((("a", "r", "c"),), (), 4),
        ((("a", "r", "d"),), (("a", "r", "b"),), 6),
    ]
    with pytest.raises(InputError, match=r"^log:4: "):
        list(transactions(["+\ta\tr\tb", None, "+\ta\tr\tb", "", "nonsense"], "log", Place()))
    assert list(transactions([], "log", Place())) == []
    assert list(transactions([None, "", None], "log", Place())) == []


def test_none_stands_for_a_pause_and_errors_come_in_their_turn():
    ready = threading.Event()

    def lines():
        yield "one"
        ready.wait(10)
        yield "two"
        raise InputError("line 3 is bad")

    found = arrivals(lines(), 0.01)
    assert [next(found), next(found)] == ["one", None]
    ready.set()
    assert next(line for line in found if line) == "two"
    with pytest.raises(InputError, match="line 3 is bad"):
        list(found)


# Where to go on


def test_a_file_is_known_again_by_what_it_begins_with(log):
    place = Place()
    for line in LOG.splitlines()[:3]:
        place.pass_over(line)
    positions = [place.position(str(log)), Position("/elsewhere/other.tsv", 2, "0" * 32)]
    found, position = find_place(log, positions)
    assert (found.lines, position) == (3, positions[0])
    assert find_place(log, [place.position("log.tsv")])[0].lines == 3, "of a model that does not say where it was"
    for line in LOG.splitlines()[3:]:
        found.pass_over(line)
    elsewhere = log.rename(log.with_name("renamed.tsv"))
    with pytest.warns(UserWarning, match=f"3 lines of {re.escape(str(log))}, which is no longer there"):
        assert find_place(elsewhere, positions)[1] == positions[0]
    with pytest.warns(UserWarning, match=r"13 lines of .*log\.tsv"):
        assert find_place(elsewhere, [*positions, found.position(str(log))])[0].lines == len(LOG.splitlines())
    assert find_place(elsewhere, [])[0].lines == 0


def test_a_file_that_says_what_another_said_is_applied_all_the_same(folder, tmp_path):
    came = "person 1\tknows\tperson 4\n"
    for name, line in (("day1.tsv", f"+\t{came}"), ("day2.tsv", f"-\t{came}"), ("day3.tsv", f"+\t{came}")):
        day = tmp_path / name
        day.write_text(line)
        assert follow(folder, day) == [1]
    assert ("person 1", "knows", "person 4") in DKGE.load(folder).graph_.named()


def test_a_copy_beside_what_it_was_copied_from_is_applied_with_a_warning(log, tmp_path):
    place = Place()
    for line in LOG.splitlines()[:3]:
        place.pass_over(line)
    copied = tmp_path / "copied" / log.name
    copied.parent.mkdir()
    shutil.copy(log, copied)
    told = f"3 lines of {re.escape(str(log))}, which was applied before and is still there"
    with pytest.warns(UserWarning, match=told) as caught:
        assert find_place(copied, [place.position(str(log))])[0].lines == 0
    assert caught[0].filename == __file__


def test_files_of_one_name_in_folders_of_days_are_known_apart(folder, tmp_path):
    logs = [tmp_path / day / "changes.tsv" for day in ("2024-05-01", "2024-05-02")]
    for log, lines in zip(logs, ("+\tperson 1\tknows\tperson 4\n", "-\tperson 1\tknows\tperson 4\n"), strict=True):
        log.parent.mkdir()
        log.write_text(lines)
        assert follow(folder, log) == [1]
    with logs[0].open("a") as stream:
        stream.write("\n+\tperson 1\tknows\tperson 5\n")
    assert follow(folder, logs[0]) == [3], "where it was, not from line 1 on"
    assert follow(folder, logs[1], from_start=True, missing="ignore") == [1]
    assert [(each.path, each.lines) for each in SavedModel.load(folder).positions] == [
        (os.path.realpath(logs[0]), 3),
        (os.path.realpath(logs[1]), 1),
    ], "the other is not forgotten"
    assert [follow(folder, log) for log in logs] == [[], []]
    facts = DKGE.load(folder).graph_.named()
    assert ("person 1", "knows", "person 4") not in facts
    assert ("person 1", "knows", "person 5") in facts


def test_what_a_link_leads_to_is_what_was_applied(folder, tmp_path):
    link = tmp_path / "today.tsv"
    for number in range(2):
        day = tmp_path / f"day {number}.tsv"
        day.write_text(f"+\tperson 1\tknows\tperson {4 + number}\n")
        link.unlink(missing_ok=True)
        link.symlink_to(day)
        assert follow(folder, link) == [1]
        assert follow(folder, day) == []


def test_another_file_in_the_place_of_the_watched_one_is_told_of(log):
    growing = Growing(log, once=False)
    assert growing.read(len(LOG)) == LOG.encode()
    log.rename(log.with_name("log.tsv.1"))
    log.write_text("+\tperson 1\tknows\tperson 2\n")
    with pytest.raises(InputError, match="is another file by now"):
        growing.read(1)


def test_where_a_file_that_is_waited_for_begins_is_told_at_once(folder, log, capsys):
    with showing():
        for every, ends in ((1.5, "a blank line or 1.5 s without another line"), (None, "a blank line")):
            watch(SavedModel.load(folder, device="cpu"), log, every=every)
            assert capsys.readouterr().err == f"watching {log} from line 1 on; {ends} ends a transaction\n"


def test_a_file_that_was_rewritten_is_refused(folder, log):
    assert follow(folder, log) == [3, 6, 9, 11, 13]
    before = (folder / "config.json").read_bytes()
    log.write_text(LOG.replace("person 9", "person 8", 1) + "\n+\ta\tr\tb\n")
    with pytest.raises(InputError, match=r"log\.tsv: it does not begin with the 13 lines of log\.tsv .* --from-start"):
        follow(folder, log)
    assert (folder / "config.json").read_bytes() == before
    log.write_text("".join(LOG.splitlines(keepends=True)[:5]))
    with pytest.raises(InputError, match="does not begin with"):
        follow(folder, log)
    assert follow(folder, log, from_start=True, missing="ignore")[-1] == 5


def test_a_file_that_is_rewritten_just_after_it_was_known_again_is_refused(folder, log):
    assert follow(folder, log)[-1] == 13
    found = watch(SavedModel.load(folder, device="cpu"), log, once=True)
    log.write_text(LOG.replace("person 9", "person 8", 1) + "\n+\ta\tr\tb\n")
    with pytest.raises(InputError, match=r"log\.tsv: it does not begin with the 13 lines of log\.tsv"):
        next(found)
    assert [each.lines for each in SavedModel.load(folder).positions] == [13]


def test_every_transaction_is_applied_once_however_often_the_file_is_read(folder, log, tmp_path):
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    assert follow(whole, log) == [3, 6, 9, 11, 13]
    parts = LOG.split("\n\n")
    for number in range(len(parts)):
        log.write_text("\n\n".join(parts[: number + 1]).rstrip("\n") + "\n" + "\n" * (number + 1 < len(parts)))
        assert len(follow(folder, log)) == 1
        assert follow(folder, log) == []
    assert equal(folder, whole)
    came = {("person 0", "lives in", "town 1"), ("town 0", "near", "town 1"), ("person 1", "lives in", "town 2")}
    went = {("person 0", "lives in", "town 0"), ("person 3", "lives in", "town 0")}
    assert set(DKGE.load(folder).graph_.named()) == {*FACTS, *came} - went


def test_the_model_says_how_far_several_files_were_applied(folder, log):
    other = log.with_name("other.tsv")
    other.write_text("+\tperson 5\tknows\tperson 1\n")
    follow(folder, log)
    follow(folder, other)
    kept = SavedModel.load(folder)
    assert [(each.name, each.lines) for each in kept.positions] == [("log.tsv", 13), ("other.tsv", 1)]
    with log.open("a") as stream:
        stream.write("\n+\tperson 5\tknows\tperson 2\n")
    moved = log.rename(log.with_name("moved.tsv"))
    with pytest.warns(UserWarning, match=r"13 lines of .*log\.tsv, which is no longer there"):
        assert follow(folder, moved) == [15]
    assert [(each.name, each.lines) for each in SavedModel.load(folder).positions] == [
        ("other.tsv", 1),
        ("moved.tsv", 15),
    ]


@pytest.mark.parametrize("sign", ["+", "-"])
def test_what_changed_nothing_is_not_applied_again_when_it_would_change_something(folder, log, sign):
    fact = ("person 1", "knows", f"person {2 if sign == '+' else 5}")
    assert (fact in DKGE.load(folder).graph_.named()) == (sign == "+")
    log.write_text("\t".join([sign, *fact]) + "\n")
    assert follow(folder, log, missing="ignore") == [1]
    model = DKGE.load(folder)
    assert model.updates_ == 0
    model.partial_fit(**{"remove" if sign == "+" else "add": [fact]})
    model.save(folder)
    assert follow(folder, log) == []
    assert (fact in DKGE.load(folder).graph_.named()) == (sign == "-")


def test_after_what_changed_nothing_no_tensors_are_written_anew(folder, log, tmp_path):
    def tensors():
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("*.safetensors")}

    before = tensors()
    assert len(before) == 3
    log.write_text("+\tperson 1\tknows\tperson 2\n\n+\tperson 2\tknows\tperson 3\n")
    assert follow(folder, log) == [2, 3]
    assert tensors() == before
    kept = SavedModel.load(folder, device="cpu")
    kept.model.partial_fit(add=[("person 1", "knows", "person 3")])
    with log.open("a") as stream:
        stream.write("\n+\tperson 1\tknows\tperson 3\n")
    assert [lines for _, lines in watch(kept, log, once=True)] == [5]  # changes nothing: all else is saved
    kept.save(tmp_path / "elsewhere")
    assert equal(folder, tmp_path / "elsewhere")
    assert DKGE.load(folder).updates_ == 1


def test_of_standard_input_what_changes_nothing_is_not_saved(folder, monkeypatch):
    before = (folder / "config.json").stat().st_ino
    monkeypatch.setattr(watching, "read_lines", lambda path: iter(["+\tperson 1\tknows\tperson 2"]))
    assert follow(folder, Path("-")) == [1]
    assert (folder / "config.json").stat().st_ino == before


def test_what_is_wrong_leaves_what_came_before(folder, log):
    log.write_text("+\tperson 1\tknows\tperson 3\n\n+\tperson 1\tknows\n")
    with pytest.raises(InputError, match=r"log\.tsv:3: expected \+, head, relation and tail"):
        follow(folder, log)
    assert [each.lines for each in SavedModel.load(folder).positions] == [2]
    log.write_text("+\tperson 1\tknows\tperson 3\n\n+\tperson 1\tknows\tperson 4\n")
    assert follow(folder, log) == [3]


def test_a_model_that_was_updated_and_saved_elsewhere_still_knows_how_far(folder, log):
    follow(folder, log)
    model = DKGE.load(folder)
    model.partial_fit(add=[("person 1", "knows", "person 4")])
    model.save(folder)
    assert follow(folder, log) == []
    assert DKGE.load(folder).updates_ == model.updates_


def test_an_updated_model_is_of_the_release_that_updated_it_and_of_the_settings_it_was_fitted_with(folder):
    header, state = read_folder(folder)
    write_folder(folder, header=header | {"latticework": "0.0.1"}, state=state)
    kept = SavedModel.load(folder)
    kept.update_by(update_epochs=1, affected="subgraph")
    kept.save()
    assert read_folder(folder)[0] == header


def test_what_says_how_far_and_is_damaged_is_refused(folder):
    kept = SavedModel.load(folder)
    for wrong in (3, [1], [["a", "b", "c"]], [["a", 1]]):
        state = kept.model.to_state()
        state.values["watched"] = wrong
        write_folder(folder, header=kept.header, state=state)
        with pytest.raises(InputError, match="does not hold a DKGE that can be rebuilt"):
            SavedModel.load(folder)


def test_killed_at_any_moment_the_model_is_that_before_a_transaction_or_that_after_it(folder, log, tmp_path):
    script, started = Path(__file__).with_name("killed_watching.py"), checksum(folder)
    log.write_text(f"+\tperson 1\tknows\tperson 2\n\n{LOG}")  # begins with what changes nothing
    ended = subprocess.run([sys.executable, script, folder, log, "0"], capture_output=True, timeout=120)
    assert ended.returncode == 0, ended.stderr.decode()
    saved, left = map(json.loads, ended.stdout.splitlines())
    states = [started, *saved]
    assert len(set(states)) == 7
    at = 0
    for kill, killed, found in left:
        before, at = at, states.index(found)
        assert killed == (kill is not None)
        if kill and kill[0] in ("before", "after"):
            assert at - before == kill[1] - (kill[0] == "before")
        assert at >= before
    assert at == 6
    assert equal(folder, tmp_path / "whole")
