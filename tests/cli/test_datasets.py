"""`latticework datasets`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from latticework.cli import main
from latticework.core.capability import Capability, register
from latticework.core.datasets import Dataset, RemoteFile

BALLS = b"red\ngreen\n"
BALLS_SET = Dataset(
    name="balls",
    summary="colours of balls",
    source="https://example.org/balls",
    licence="CC0-1.0",
    files=(
        RemoteFile(
            path="juggling/balls.txt",
            url="https://example.org/balls.txt",
            sha256=hashlib.sha256(BALLS).hexdigest(),
            size=len(BALLS),
        ),
    ),
    reader="builtins:print",
)


@pytest.fixture(autouse=True)
def balls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("latticework.cli.BALLS_SET", BALLS_SET, raising=False)
    monkeypatch.setenv("LATTICEWORK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LATTICEWORK_CACHE", str(tmp_path / "cache"))
    with register(Capability(name="juggling", summary="s", datasets=("latticework.cli:BALLS_SET",))):
        yield


def test_all_data_sets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    assert ["balls", "colours", "of", "balls"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert main(["datasets", "--json"]) == 0
    assert "balls" in [about["name"] for about in json.loads(capsys.readouterr().out)]


def test_one_data_set_is_shown_with_where_its_files_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "balls"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name     balls",
        "summary  colours of balls",
        "source   https://example.org/balls",
        "licence  CC0-1.0",
        f"below    {tmp_path / 'data'} or {tmp_path / 'cache'}",
        "files",
        "  juggling/balls.txt  not here: get https://example.org/balls.txt",
    ]
    file = tmp_path / "data" / "juggling" / "balls.txt"
    file.parent.mkdir(parents=True)
    file.write_bytes(BALLS)
    assert main(["datasets", "balls", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["found"] == str(file)


def test_without_a_folder_of_data_it_is_said_which_variable_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LATTICEWORK_DATA")
    assert main(["datasets", "balls"]) == 0
    told = f"below    a folder that LATTICEWORK_DATA names or {tmp_path / 'cache'}"
    assert told in capsys.readouterr().out.splitlines()


def test_download_fetches_what_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "served.txt").write_bytes(BALLS)
    monkeypatch.setattr("latticework.core.datasets.urlopen", lambda *_, **__: (tmp_path / "served.txt").open("rb"))
    assert main(["datasets", "balls", "--download", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["files"][0]["found"]
    assert Path(found).read_bytes() == BALLS
    assert Path(found).is_relative_to(tmp_path / "cache")


def test_an_unknown_data_set_and_a_download_of_nothing_are_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "cubes"]) == 2
    assert "there is no data set 'cubes'" in capsys.readouterr().err
    assert main(["datasets", "--download"]) == 2
    assert "--download needs the NAME" in capsys.readouterr().err
