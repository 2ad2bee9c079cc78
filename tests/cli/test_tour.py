"""`latticework tour`: all stops run, and one page holds what they learned."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from latticework import tour
from latticework.cli import main
from latticework.core.capability import Capability, capabilities, register
from latticework.core.errors import InputError


def failing() -> Capability:
    (juggling,) = [capability for capability in capabilities() if capability.name == "juggling"]
    return replace(juggling, name="fumbling", command=None, estimators=(), tour_stop="juggling:failing_stop")


def test_the_tour_writes_one_page_with_what_each_stop_learned(
    juggling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "tour.html"
    assert main(["tour", "--only", "juggling", "--seed", "7", "--output", str(page), "--json"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["page"] == str(page)
    assert result["stops"]["juggling"]["facts"]["balls kept up"] == 3
    begun, done = captured.err.splitlines()
    assert begun == "[1/1] juggling: keep [some] balls in the air"
    assert re.fullmatch(r"juggling done in \d+ s", done)
    html = page.read_text(encoding="utf-8")
    assert "Juggling &lt;b&gt;" in html
    assert "Seed 7." in html


def test_a_failing_stop_is_shown_and_the_others_still_run(
    juggling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "tour.html"
    with register(failing()):
        status = main(["tour", "--only", "fumbling", "--only", "juggling", "-o", str(page)])
    assert status == 1
    captured = capsys.readouterr()
    assert re.search(r"^fumbling failed after \d+ s: RuntimeError: dropped <all> of them$", captured.err, re.MULTILINE)
    assert "balls kept up" in captured.out
    html = page.read_text(encoding="utf-8")
    assert "This stop failed: RuntimeError: dropped &lt;all&gt; of them" in html
    assert "Seed 0." in html


def test_debug_shows_where_a_stop_failed(juggling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with register(failing()):
        status = main(["--debug", "tour", "--only", "fumbling", "-o", str(tmp_path / "tour.html")])
    assert status == 1
    assert "in failing_stop\n" in capsys.readouterr().err


def test_an_unknown_stop_is_bad_input(juggling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tour", "--only", "knitting", "-o", str(tmp_path / "tour.html")]) == 2
    assert "the tour has no stop 'knitting'" in capsys.readouterr().err
    assert not (tmp_path / "tour.html").exists()


def test_a_page_that_cannot_be_written_is_found_before_anything_is_trained(
    juggling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tour", "--only", "juggling", "-o", str(tmp_path / "nowhere" / "tour.html")]) == 2
    captured = capsys.readouterr()
    assert captured.err.endswith(f"cannot be written: there is no folder {tmp_path / 'nowhere'}\n")
    assert "[1/1]" not in captured.err


def test_the_page_is_not_printed_beside_the_result(
    juggling: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tour", "--only", "juggling", "-o", "-"]) == 2
    told = "error: --output -: standard output is for the result, expected the name of a file to write\n"
    assert capsys.readouterr() == ("", told)
    assert not Path("-").exists()


def test_a_folder_without_permission_is_found_before_anything_is_trained(
    juggling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # who runs tests may write anywhere
    assert main(["tour", "--only", "juggling", "-o", str(tmp_path / "tour.html")]) == 2
    captured = capsys.readouterr()
    assert captured.err.endswith(f"there is no permission to write in {tmp_path}\n")
    assert "[1/1]" not in captured.err


def test_stops_keep_the_order_of_the_registry(juggling: Path) -> None:
    with register(failing()):
        names = [capability.name for capability in tour.stops(only=["juggling", "fumbling"])]
    assert names == ["fumbling", "juggling"]
    with pytest.raises(InputError, match="no stop 'knitting': it has"):
        tour.stops(only=["knitting"])


def test_a_library_user_sees_no_messages(juggling: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (outcome,) = tour.run(tour.stops(only=["juggling"]), seed=1)
    assert outcome.section is not None
    assert outcome.section.summary == "Seed 1."
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
