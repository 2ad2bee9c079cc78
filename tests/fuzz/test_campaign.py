"""The long campaign says so where it tried nothing, and keeps what it found before."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fuzz import __main__ as fuzz
from fuzz.examples import Format
from fuzz.formats import FORMATS


def slow_seeds() -> list[dict[str, bytes]]:
    time.sleep(0.4)
    return [{"a": b"some bytes"}]


def test_seeds_take_no_time_from_the_examples(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "slow", Format("slow", slow_seeds, lambda folder: (folder / "a").read_bytes()))
    monkeypatch.setattr(fuzz, "limit", lambda: None)
    record = fuzz.Record(tmp_path)
    fuzz.by_chance("slow", record, 0.2, seed=0)
    assert record.found["examples"] > 0
    assert record.found["failures"] == {}


def test_a_format_of_which_nothing_was_tried_is_a_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fuzz", "--format", "lines", "--folder", str(tmp_path)])
    record = fuzz.Record(tmp_path)
    monkeypatch.setattr(fuzz, "campaign", lambda *_, **__: record)
    assert fuzz.main() == 1
    assert "NOT TRIED" in capsys.readouterr().out
    record.found["examples"] = 1
    assert fuzz.main() == 0
    assert " none\n" in capsys.readouterr().out
    record.keep("Error", "there", "trace", {})
    assert fuzz.main() == 1


@pytest.mark.parametrize("options, told", [("--seconds 1", "more than 1"), ("--format nonsense", "no such format")])
def test_a_campaign_that_would_try_nothing_is_refused(options, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fuzz", *options.split()])
    with pytest.raises(SystemExit, match="2"):
        fuzz.main()
    assert told in capsys.readouterr().err


def test_what_an_earlier_campaign_found_stays_where_it_is(tmp_path):
    for number in (1, 2):
        fuzz.Record(tmp_path).keep("Error", "there", f"trace {number}", {"in/file": b"data"})
        assert fuzz.Record(tmp_path).found["failures"]["Error at there"]["folder"] == f"failure-{number}"
        (tmp_path / "record.json").unlink()
    for number in (1, 2):
        assert f"trace {number}" in (tmp_path / f"failure-{number}" / "trace.txt").read_text()


def test_a_process_that_ends_too_soon_is_followed_by_one_for_the_time_that_is_left(tmp_path, monkeypatch):
    commands = []

    def watched(process: object, folder: Path) -> int:
        if len(commands) == 1:  # it took long to begin, and 20 seconds to fail
            (folder / "current").mkdir()
            (folder / "current" / "a").write_bytes(b"")
            found = {"examples": 4, "begun": time.time() + 100, "failures": {}}
            (folder / "record.json").write_text(json.dumps(found))
            monkeypatch.setattr(
                fuzz, "time", SimpleNamespace(time=lambda: found["begun"] + 20, monotonic=time.monotonic)
            )
            return 3
        return 0

    monkeypatch.setattr(fuzz.subprocess, "Popen", lambda command, **_: commands.append(command))
    monkeypatch.setattr(fuzz, "_watched", watched)
    found = fuzz.campaign("lines", tmp_path, 60, 0, by_atheris=False).found
    seconds = [float(command[command.index("--seconds") + 1]) for command in commands]
    assert seconds == pytest.approx([60, 40])
    assert found["examples"] == 5
    assert list(found["failures"]) == ["ended with 3 at outside"]
