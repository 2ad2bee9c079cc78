"""`latticework show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import latticework
from latticework.cli import main
from latticework.core import estimator


@pytest.fixture
def model(juggling: Path, tmp_path: Path) -> Path:
    from juggling import Juggler  # type: ignore[import-not-found]

    Juggler(hands=3).fit([1, 2]).save(tmp_path / "model")
    return tmp_path / "model"


def test_show_prints_what_a_model_is(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(model)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "class        juggling.Juggler",
        f"latticework  {latticework.__version__}",
        "parameters",
        "  hands         3",
        "  random_state  -",
        "balls        2",
    ]
    assert captured.err == ""


def test_show_prints_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "class": "juggling.Juggler",
        "latticework": latticework.__version__,
        "parameters": {"hands": 3, "random_state": None},
        "balls": 2,
    }


def test_a_model_that_is_replaced_meanwhile_is_shown_as_one_of_the_two(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from juggling import Juggler

    def overtaken(folder: Path) -> object:
        found = read(folder)
        monkeypatch.setattr(estimator, "VERSION", "9.9")
        Juggler(hands=4).fit([1, 2]).save(folder)
        return found

    read = estimator.read_folder
    monkeypatch.setattr(estimator, "read_folder", overtaken)
    assert main(["show", str(model), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["latticework"], shown["parameters"]["hands"]) == (latticework.__version__, 3)


def test_show_of_a_missing_folder_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "nowhere")]) == 2
    captured = capsys.readouterr()
    assert str(tmp_path / "nowhere") in captured.err
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
