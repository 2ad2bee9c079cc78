"""Files that belong together are written as any is: with the rights of what they replace, and into streams."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from latticework.core import InputError
from latticework.knowledge.together import write_together


def test_files_that_belong_together_are_at_least_one():
    with pytest.raises(ValueError, match="at least one file"):
        write_together({})


def test_files_that_belong_together_are_not_written_over_each_other(tmp_path):
    (tmp_path / "rows.txt").write_bytes(b"before")
    (tmp_path / "names.txt").symlink_to(tmp_path / "rows.txt")
    with pytest.raises(InputError, match=r"rows\.txt cannot be written: another of the files would be .*/rows\.txt"):
        write_together({tmp_path / "names.txt": b"names", tmp_path / "rows.txt": b"rows"})
    assert (tmp_path / "rows.txt").read_bytes() == b"before"


def test_they_are_written_in_a_folder_that_may_not_be_listed(unlistable):
    write_together({unlistable / "one": b"1", unlistable / "two": b"2"})
    assert sorted(os.listdir(unlistable)) == ["one", "two"]


@pytest.mark.skipif(os.name == "nt", reason="no permissions of others there")
def test_who_may_read_one_may_do_so_when_it_is_replaced_and_nobody_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_together({path: b"new"})
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (0o640, b"new")


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no name of the standard output here")
def test_they_go_into_streams_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_together({Path("-"): b"said"})
    assert (capsys.readouterr().out, os.listdir()) == ("said", [])
    files = "{Path('/dev/null'): b'lost', Path('/dev/stdout'): b'said'}"
    code = f"from pathlib import Path; from latticework.knowledge.together import write_together as w; w({files})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"said", b"")
