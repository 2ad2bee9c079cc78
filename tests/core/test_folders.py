"""Folders are written as a whole or not at all, and what was there stays until then."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from latticework.core import folders
from latticework.core.errors import InputError
from latticework.core.files import write_atomically
from latticework.core.folders import (
    check_empty,
    check_new,
    check_writable,
    folder_to_write,
    make_folder,
    new_folder,
    replacing,
)
from latticework.core.temporaries import temporary_folder


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_holds_anything_is_not_written_over(tmp_path: Path) -> None:
    check_empty(tmp_path / "new")
    (tmp_path / ".latticework-0123456789abcdef.tmp").touch()
    check_empty(tmp_path)
    for name in "ba":
        (tmp_path / f"{name}.txt").touch()
    with pytest.raises(InputError, match=r"holds other things, such as a\.txt: choose another folder, or empty it"):
        check_empty(tmp_path)
    check_empty(tmp_path, besides=re.compile(r"\.latticework.*|[ab]\.txt"))
    with pytest.raises(InputError, match="is a file, expected the name of a folder to write"):
        check_empty(tmp_path / "a.txt")


@pytest.mark.parametrize("there", [True, False])
def test_a_new_folder_is_made_with_those_above_it_or_takes_the_place_of_an_empty_one(
    tmp_path: Path, there: bool
) -> None:
    target = tmp_path / "some" / "maps"
    if there:
        target.mkdir(parents=True)
    check_new(target)
    with new_folder(target) as folder:
        (folder / "one.txt").write_text("1")
    assert contents(tmp_path) == {"some/maps/one.txt": "1"}
    assert os.listdir(target.parent) == ["maps"]


def test_where_no_new_folder_can_be_is_told_before_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full" / "empty").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name, reason in (
        ("full", "holds other things, such as empty"),
        ("file", "is a file, expected"),
        ("file/maps", "file is not a folder"),
    ):
        with pytest.raises(InputError, match=f"{name} .*{reason}"), new_folder(tmp_path / name):
            pytest.fail("there is nowhere to write")
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != tmp_path / "full")
    with pytest.raises(InputError, match=r"there is no permission to write in .*full$"):
        check_new(tmp_path / "full" / "empty")  # which another folder is to take the place of
    assert sorted(os.listdir(tmp_path)) == ["file", "full"]


def test_where_a_file_system_is_mounted_no_folder_takes_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("os.path.ismount", lambda path: Path(path) == tmp_path / "out")
    for check in (check_new, lambda folder: replacing(folder).__enter__()):
        with pytest.raises(InputError, match="/out cannot be replaced, a file system is mounted there: choose"):
            check(tmp_path / "out")
    write_half(tmp_path / "out" / "maps")
    assert contents(tmp_path) == {"out/maps/new.txt": "new"}


@pytest.mark.parametrize("here", [".", "inner"])
@pytest.mark.parametrize("called", ["relative", "absolute", "link"])
def test_the_folder_that_one_is_in_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str, called: str
) -> None:
    target = tmp_path / "study"
    (target / here).mkdir(parents=True)
    (tmp_path / "link").symlink_to(target)
    monkeypatch.chdir(target / here)
    folder = {"relative": Path(os.path.relpath(target)), "absolute": target, "link": tmp_path / "link"}[called]
    for check in (check_new, lambda folder: new_folder(folder).__enter__(), lambda folder: write_half(folder)):
        with pytest.raises(InputError, match="cannot be replaced, it is where you are: choose a folder in it"):
            check(folder)
    write_half(Path("maps"))
    assert contents(Path.cwd()) == {"maps/new.txt": "new"}


def test_a_folder_is_replaced_from_one_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    write_half(tmp_path / "maps")
    assert contents(tmp_path) == {"maps/new.txt": "new"}


@pytest.mark.skipif(os.name == "nt", reason="no permissions of others there")
@pytest.mark.parametrize("mode", [0o700, 0o770, 0o2775])
def test_who_may_enter_a_folder_may_do_so_when_it_is_replaced_and_nobody_else(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "maps"
    target.mkdir()
    target.chmod(mode)
    with new_folder(target) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == mode
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_what_may_not_be_entered_is_no_place_to_write(closed: Path) -> None:
    assert folder_to_write(closed / "maps") == closed / "maps"
    for write in (check_new, write_half, lambda path: write_atomically(path, b"")):
        for place in (closed / "maps", closed / "inner" / "maps"):
            with pytest.raises(InputError, match="cannot be written: "):
                write(place)
    with pytest.raises(InputError, match=r"there is no permission to write in .*closed$"):
        check_writable(closed / "maps")


def test_a_folder_that_is_held_without_a_sign_of_it_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OSError(16, "Device or resource busy")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    monkeypatch.setattr("os.replace", busy)
    with pytest.raises(InputError, match="/out cannot be written: Device or resource busy"):
        write_half(tmp_path / "out")


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_is_filled_meanwhile_is_left_alone(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "maps"
    if there:
        target.mkdir()

    def fill() -> None:
        with new_folder(target) as folder:
            (folder / "one.txt").write_text("1")
            target.mkdir(exist_ok=True)
            (target / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match=r"maps holds other things, such as mine\.txt"):
        fill()
    assert contents(tmp_path) == {"maps/mine.txt": "mine"}
    assert os.listdir(tmp_path) == ["maps"]


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "maps"
    for text in ("one", "two"):
        with replacing(target) as folder:
            (folder / "inner").mkdir()
            (folder / "inner" / f"{text}.txt").write_text(text)
            assert not (target / "inner" / f"{text}.txt").exists()
    assert contents(target) == {"inner/two.txt": "two"}
    assert os.listdir(tmp_path) == ["maps"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "maps"
    with replacing(target) as folder:
        (folder / "kept.txt").write_text("kept")

    def fail() -> None:
        with replacing(target) as folder:
            (folder / "half.txt").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert contents(target) == {"kept.txt": "kept"}
    assert os.listdir(tmp_path) == ["maps"]


def test_a_name_that_cannot_be_taken_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "maps"
    with replacing(target) as folder:
        (folder / "kept.txt").write_text("kept")
    replace = os.replace
    moves = iter([None, OSError(28, "No space left on device"), None])

    def failing(source: Path, goal: Path) -> None:
        if (error := next(moves)) is not None:
            raise error
        replace(source, goal)

    monkeypatch.setattr(folders, "_exchanged", lambda *_: False)  # as where the system cannot do that
    monkeypatch.setattr("os.replace", failing)
    with pytest.raises(OSError, match=r"No space left on device: '.*/maps'"):
        write_half(target)
    assert contents(target) == {"kept.txt": "kept"}
    assert os.listdir(tmp_path) == ["maps"]


@pytest.mark.parametrize("can", [True, False])
def test_a_folder_takes_the_place_of_another_whatever_the_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can: bool
) -> None:
    if not can:
        monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "old.txt").write_text("old")
    write_half(tmp_path / "maps")
    assert contents(tmp_path) == {"maps/new.txt": "new"}
    assert os.listdir(tmp_path) == ["maps"]


@pytest.mark.parametrize("can", [True, False])
def test_who_puts_a_folder_in_place_leaves_what_the_next_writer_of_it_is_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can: bool
) -> None:
    if not can:
        monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    target = tmp_path / "maps"
    target.mkdir()
    with ExitStack() as others:

        def overtaken(folder: Path) -> None:
            if folder == tmp_path:
                (others.enter_context(temporary_folder(target)) / "next.txt").write_text("next")

        monkeypatch.setattr(folders, "sync_folder", overtaken)
        write_half(target)
        assert sorted(contents(tmp_path).values()) == ["new", "next"]
    assert contents(tmp_path) == {"maps/new.txt": "new"}
    assert os.listdir(tmp_path) == ["maps"]


KILLED = """
import os, signal
from pathlib import Path
from latticework.core import folders
folders._exchanged = lambda *_: False  # as where the system cannot do that
left = {moves}
replace = os.replace
def killed(*names):
    global left
    replace(*names)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = killed
with folders.replacing(Path('maps')) as folder:
    (folder / 'new.txt').write_text('new')
"""


@pytest.mark.parametrize("moves", [1, 2])
@pytest.mark.parametrize("can", [True, False])
def test_what_is_killed_between_two_steps_is_put_back_or_removed_by_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int, can: bool
) -> None:
    if not can:
        monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    target = tmp_path / "maps"
    target.mkdir()
    (target / "old.txt").write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED.format(moves=moves)], cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == -9
    assert target.exists() == (moves == 2)
    with pytest.raises(FileNotFoundError), replacing(target):
        (tmp_path / "input.txt").read_text()
    assert contents(target) == ({"new.txt": "new"} if moves == 2 else {"old.txt": "old"})
    assert os.listdir(tmp_path) == ["maps"]
    write_half(target)
    assert contents(tmp_path) == {"maps/new.txt": "new"}
    assert os.listdir(tmp_path) == ["maps"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot exchange names in one step")
def test_a_process_that_is_killed_leaves_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    """Where os.replace would leave, between two steps, nothing in place."""
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "old.txt").write_text("old")
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from latticework.core.folders import replacing\n"
        "replace = os.replace\n"
        "def killed(*names):\n"
        "    replace(*names)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.replace = killed\n"
        "with replacing(Path('maps')) as folder:\n"
        "    (folder / 'new.txt').write_text('new')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=120, check=False)
    assert contents(tmp_path) == {"maps/new.txt": "new"}


def write_half(target: Path) -> None:
    with replacing(target) as folder:
        (folder / "new.txt").write_text("new")


def test_an_error_names_files_as_they_were_to_be_called(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"/maps/inner/one\.txt cannot be written: there is no folder .*/maps/inner$"):
        write_without_folder(tmp_path / "maps")
    assert not os.listdir(tmp_path)


def write_without_folder(target: Path) -> None:
    with replacing(target) as folder:
        write_atomically(folder / "inner" / "one.txt", b"1")


def test_a_missing_input_is_not_blamed_on_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told, replacing(tmp_path / "maps"):
        (tmp_path / "input.txt").read_text()
    assert told.value.filename == str(tmp_path / "input.txt")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("errno, kind", [(28, OSError), (36, InputError)])
def test_an_error_of_a_file_in_the_folder_names_it_as_it_was_to_be_called(
    tmp_path: Path, errno: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="what is wrong") as told, replacing(tmp_path / "maps") as folder:
        raise OSError(errno, "what is wrong", str(folder / "one.txt"))
    assert f"{tmp_path}/maps/one.txt" in str(told.value)


def test_a_full_disk_that_names_no_file_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"No space left on device: '.*/maps'"), replacing(tmp_path / "maps"):
        raise OSError(28, "No space left on device")


def test_places_where_no_folder_can_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, expected the name of a folder"):
        folder_to_write(tmp_path / "file")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert folder_to_write(tmp_path / "link") == (tmp_path / "real").resolve()


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file/absent cannot be written"), replacing(tmp_path / "file/absent/maps"):
        pytest.fail("there is nowhere to write")


def test_a_folder_is_made_with_those_above_it_and_only_where_it_can_be(tmp_path):
    assert make_folder(tmp_path / "some" / "maps") == tmp_path / "some" / "maps"
    assert make_folder(tmp_path / "some" / "maps").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file is a file, expected the name of a folder to write"):
        make_folder(tmp_path / "file")
    with pytest.raises(InputError, match=r"file/below cannot be written: Not a directory"):
        make_folder(tmp_path / "file" / "below")
