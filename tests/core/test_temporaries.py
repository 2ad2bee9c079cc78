"""What a process that was killed has left goes with the next write; what another process is writing stays."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from latticework.core import temporaries
from latticework.core.errors import InputError
from latticework.core.files import write_atomically
from latticework.core.folders import replacing
from latticework.core.temporaries import TEMPORARY_NAME, locked, temporary_file, temporary_folder, write_errors_of

BEGIN = """
import os, signal
from pathlib import Path
from latticework.core.temporaries import temporary_file, temporary_folder
"""
ENDS = {
    "file": "with temporary_file(Path('target')) as (path, stream): stream.write(b'half'); stream.flush(); ",
    "folder": "with temporary_folder(Path('target')) as path: (path / 'half').write_text('half'); ",
}
WRITES = {"file": lambda path: write_atomically(path, b"whole"), "folder": lambda path: write_folder(path)}


def write_folder(path: Path) -> None:
    with replacing(path) as folder:
        (folder / "whole").write_text("whole")


@pytest.mark.parametrize("left", ENDS)
@pytest.mark.parametrize("written", WRITES)
def test_what_a_killed_process_has_left_goes_with_the_next_write(tmp_path: Path, left: str, written: str) -> None:
    killed = f"{BEGIN}{ENDS[left]}os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", killed], cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    (name,) = os.listdir(tmp_path)
    assert TEMPORARY_NAME.fullmatch(name)
    WRITES[written](tmp_path / "target")
    assert os.listdir(tmp_path) == ["target"]


@pytest.mark.parametrize("left", ENDS)
def test_what_another_process_is_writing_stays(
    tmp_path: Path, left: str, start: Callable[..., subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = start(before=f"{BEGIN}{ENDS[left]}print('now', flush=True); input(); raise SystemExit")
    assert other.stdout is not None
    assert other.stdout.readline() == b"now\n"
    (name,) = os.listdir(tmp_path)
    write_atomically(tmp_path / "target", b"whole")
    assert sorted(os.listdir(tmp_path)) == sorted([name, "target"])
    other.communicate(b"\n")
    assert os.listdir(tmp_path) == ["target"]


def test_two_writers_of_one_target_do_not_meet(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "target") as (one, first), temporary_file(tmp_path / "target") as (other, second):
        assert one != other
        first.write(b"first")
        second.write(b"second")
        for path, stream, content in ((one, first, b"first"), (other, second, b"second")):
            stream.close()
            os.replace(path, tmp_path / "target")
            assert (tmp_path / "target").read_bytes() == content
    assert os.listdir(tmp_path) == ["target"]


@pytest.mark.parametrize("kind", [temporary_file, temporary_folder])
def test_where_nothing_can_be_locked_all_is_written_and_nothing_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[..., object]
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def fail(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with kind(tmp_path / "target"):
        (name,) = os.listdir(tmp_path)
        write_atomically(tmp_path / "target", b"whole")
        assert name in os.listdir(tmp_path)


def test_what_must_be_open_for_writing_to_be_locked_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    flock = fcntl.flock

    def flock_over_nfs(descriptor: int, operation: int) -> None:
        readable_only = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if readable_only and stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, operation)

    with temporary_file(tmp_path / "target") as (path, _):
        pass
    path.touch()  # as by a process that was killed
    monkeypatch.setattr(fcntl, "flock", flock_over_nfs)
    write_atomically(tmp_path / "target", b"whole")
    assert os.listdir(tmp_path) == ["target"]


def test_who_waited_for_a_folder_that_was_replaced_has_a_lock_on_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    target, other, flock = tmp_path / "target", tmp_path / "other", fcntl.flock
    target.mkdir()
    other.mkdir()

    def overtaken(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        target.rename(tmp_path / "before")
        other.rename(target)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", overtaken)
    with locked(target):
        descriptor = os.open(target, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


def test_a_lock_that_is_not_given_back_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(temporaries, "PATIENCE", 0.02)
    (tmp_path / "target").mkdir()
    descriptor = os.open(tmp_path / "target", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # as `flock target latticework ...` has it
    write_folder(tmp_path / "target")
    os.close(descriptor)
    assert os.listdir(tmp_path / "target") == ["whole"]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing that is open is removed there")
@pytest.mark.parametrize("kind", [temporary_file, temporary_folder])
def test_a_name_that_another_writer_takes_before_it_is_locked_is_that_writer_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Path], AbstractContextManager[object]]
) -> None:
    opened, target = os.open, tmp_path / "target"
    with ExitStack() as others:

        def overtaken(path: Path, flags: int, *mode: int) -> int:
            if flags & os.O_CREAT:
                return opened(path, flags, *mode)
            monkeypatch.setattr(os, "open", opened)
            path.rmdir() if path.is_dir() else path.unlink()
            others.enter_context(kind(target))
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

        monkeypatch.setattr(os, "open", overtaken)
        with kind(target):
            assert len(os.listdir(tmp_path)) == 2
        assert len(os.listdir(tmp_path)) == 1
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("kind", [temporary_file, temporary_folder])
def test_who_has_finished_leaves_what_the_next_writer_of_the_same_is_writing(
    tmp_path: Path, kind: Callable[[Path], AbstractContextManager[object]]
) -> None:
    with ExitStack() as others:
        with kind(tmp_path / "target"):
            (name,) = os.listdir(tmp_path)
            os.replace(tmp_path / name, tmp_path / "target")
            others.enter_context(kind(tmp_path / "target"))
            assert sorted(os.listdir(tmp_path)) == [name, "target"]
        assert sorted(os.listdir(tmp_path)) == [name, "target"]
    assert os.listdir(tmp_path) == ["target"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, None])
def test_a_full_disk_is_no_fault_of_the_input_and_names_the_file_as_it_was_to_be_called(number: int | None) -> None:
    with pytest.raises(OSError, match="what is wrong") as told, write_errors_of("/there/note"):
        raise OSError(number, "what is wrong", "/there/hidden")
    assert (told.value.errno, told.value.filename) == (number, "/there/note")
    assert not isinstance(told.value, InputError)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.EISDIR])
def test_a_place_where_nothing_can_be_written_is_bad_input(number: int) -> None:
    with (
        pytest.raises(InputError, match=r"^/there/note cannot be written: what is wrong$"),
        write_errors_of("/there/note"),
    ):
        raise OSError(number, "what is wrong", "/there/hidden")


def test_a_reader_that_has_gone_is_told_as_such() -> None:
    with pytest.raises(BrokenPipeError), write_errors_of("/there/pipe"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
