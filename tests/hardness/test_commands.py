"""Whatever happens while a command writes: what was there stays until what is new is whole, and the command says why.

A few moments and sizes of some commands; `python -m tests.hardness --all` tries all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hardness.commands import COMMANDS, OFTEN

PLAIN = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "TZ": "UTC", "PYTHONHASHSEED": "0"}
ODD = {"LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"}
# All that differs where a locale cannot tell the name of the folder of the inputs, which is compared apart from that
# name: what follows from it in what a model says of the files that it was given. How long something took is left
# out of pages and logs everywhere.
LEXICON = "tagger/config.json > files > lexicon_parameter.json"
NAMED = {
    "ner-fit": [
        "tagger/config.json > checksum",  # of the rest
        f"{LEXICON} > name",  # has the checksum in it
        f"{LEXICON} > sha256",  # of the path
        f"{LEXICON} > size",  # of the path
    ],
    "kg-watch": ["graph/config.json > checksum"],  # of where the file is that was watched
}


def told(root: Path, what: str, surroundings: dict[str, str]) -> dict[str, Any]:
    """What every command writes in a process that is started in such surroundings."""
    program = [sys.executable, "-W", "ignore", "-m", "tests.hardness", "--told", what, "--folder", str(root / what)]
    environment = {**os.environ, **surroundings}
    top = Path(__file__).parents[2]
    done = subprocess.run(program, env=environment, cwd=top, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of a few trials, made once by all the processes of pytest."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with FileLock(root / "hardness.lock"):
        kept = root / "hardness.json"
        if not kept.exists():
            kept.write_text(json.dumps(told(root / "hardness", "suite", PLAIN)))
    return json.loads(kept.read_text())


def test_a_kill_leaves_what_was_there_or_what_is_new_and_the_command_given_again_ends_as_ever(
    found: dict[str, Any],
) -> None:
    assert found["wrong"]["kills"] == []
    assert found["tried"]["kills"] == len(OFTEN)


def test_a_full_disk_is_told_with_the_file_and_leaves_what_was_there(found: dict[str, Any]) -> None:
    assert found["wrong"]["full"] == []
    assert found["tried"]["full"] == len(OFTEN)


def test_where_nothing_can_be_written_is_told_in_one_line(found: dict[str, Any]) -> None:
    assert found["wrong"]["nowhere"] == []
    assert found["tried"]["nowhere"] > len(OFTEN)


def test_what_is_only_read_stays_as_it_was(found: dict[str, Any]) -> None:
    assert found["inputs"] == []


def test_locale_time_zone_and_order_of_hashes_change_no_byte(found: dict[str, Any], tmp_path: Path) -> None:
    odd, plain = told(tmp_path, "digests", ODD)["digests"], found["digests"]
    assert odd.keys() == plain.keys() == {command.name for command in COMMANDS}
    different = {
        name: sorted(file for file in odd[name].keys() | files.keys() if odd[name].get(file) != files.get(file))
        for name, files in plain.items()
    }
    assert {name: files for name, files in different.items() if files} == NAMED
