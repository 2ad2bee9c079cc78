"""What the commands of all capabilities share: the options and the printing of results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from latticework.core import commands
from latticework.core.errors import InputError


@dataclass
class Score:
    bleu: float
    signature: str


@pytest.mark.parametrize(
    "value, expected",
    [
        (np.float32(0.5), 0.5),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (torch.tensor([1.0, float("inf")]), [1.0, None]),
        ({1: Path("a") / "b", "n": {3, 1}}, {"1": "a/b", "n": [1, 3]}),
        ([Score(bleu=float("nan"), signature="s")], [{"bleu": None, "signature": "s"}]),
        (True, True),
    ],
)
def test_results_become_what_strict_json_can_hold(
    value: object, expected: object, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.print_json(value)
    text = capsys.readouterr().out
    assert json.loads(text, parse_constant=pytest.fail) == expected
    assert text.count("\n") == 1


def test_figures_are_aligned_nested_and_safe_for_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {
        "score": Score(34.21987, "nrefs:1"),
        "lengths": [1, 2.5],
        "nothing": None,
        "empty": {},
        "name": "a\x1b[2Jb\nc",
    }
    commands.print_result(figures, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "score",
        "  bleu       34.22",
        "  signature  nrefs:1",
        "lengths  1, 2.5",
        "nothing  -",
        "empty    -",
        r"name     a\x1b[2Jb\nc",
    ]


def test_as_json_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    commands.print_result({"score": Score(34.5, "nrefs:1")}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"score": {"bleu": 34.5, "signature": "nrefs:1"}}


def fit(
    source: Annotated[Path, commands.text_file("SRC", "Sentences, one a line")],
    output: commands.Output,
    valid: commands.ValidPair = None,
    seed: commands.Seed = 0,
    device: commands.Device = "auto",
    precision: commands.Precision = "auto",
    restart: commands.Restart = False,
    as_json: commands.Json = False,
) -> None:
    """Fit."""
    commands.print_json([source, output, valid, seed, device, precision, restart, as_json])


def run(*arguments: str) -> object:
    app = typer.Typer()
    app.command()(fit)
    result = CliRunner().invoke(app, list(arguments))
    return json.loads(result.stdout) if result.exit_code == 0 else result.exit_code


def test_shared_options_read_the_same_everywhere() -> None:
    assert run("a.en", "-o", "model") == ["a.en", "model", None, 0, "auto", "auto", False, False]
    arguments = ["-", "--output", "m", "--valid", "v.en", "v.de", "--seed", "3", "--device", "cpu", "--precision", "32"]
    expected = ["-", "m", ["v.en", "v.de"], 3, "cpu", "32", True, True]
    assert run(*arguments, "--restart", "--json") == expected


def test_a_missing_output_and_half_a_pair_are_bad_usage() -> None:
    assert run("a.en") == 2
    assert run("a.en", "-o", "m", "--valid", "v.en") == 2


def test_options_that_were_not_given_stay_with_their_defaults() -> None:
    assert commands.given(epochs=0, name="", seed=None) == {"epochs": 0, "name": ""}


def test_no_processes_at_all_are_refused() -> None:
    app = typer.Typer()

    @app.command()
    def work(jobs: commands.Jobs = 1) -> None:
        print(jobs)

    assert [CliRunner().invoke(app, ["--jobs", count]).output for count in ("-1", "-2")] == ["-1\n", "-2\n"]
    result = CliRunner().invoke(app, ["--jobs", "0"])
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == "--jobs=0: expected a number of processes up to 4,096, or -1 for one a processor"


def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    commands.check_page(None)
    commands.check_page(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="is a folder, expected the name of a file"):
        commands.check_page(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        commands.check_page(tmp_path / "absent" / "page.html")
    (table := tmp_path / "table.tsv").write_text("a line\n")
    (tmp_path / "of before.html").touch()
    commands.check_page(tmp_path / "of before.html", tmp_path)
    commands.check_page(tmp_path / "new.txt", tmp_path)
    (tmp_path / "config.json").touch()
    with pytest.raises(
        InputError, match=r"^--page .*config\.json is a file of .*, which is read: give the output another"
    ):
        commands.check_page(tmp_path / "config.json", None, tmp_path)
    with pytest.raises(InputError, match=r"^--page .*table\.tsv is a file that is read: give the output another name"):
        commands.check_page(table, None, table)


def test_standard_output_is_no_file_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").mkdir()
    commands.check_output(Path("-"))
    with pytest.raises(InputError, match="is a folder, expected the name of a file"):
        commands.check_output(Path("./-").absolute())


def test_an_output_is_no_file_that_is_read_by_whatever_name(tmp_path: Path) -> None:
    texts, other = tmp_path / "texts.txt", tmp_path / "other.txt"
    commands.check_output(texts, texts, None)  # neither is there
    texts.write_text("a line\n")
    (tmp_path / "link.txt").symlink_to(texts)
    commands.check_output(other, Path("-"), None, texts)
    for name in ("texts.txt", "./texts.txt", "link.txt"):
        with pytest.raises(InputError, match=r"^--output .*\.txt is a file that is read: give the output"):
            commands.check_output(tmp_path / name, other, texts)


def test_a_page_is_not_printed_beside_the_result() -> None:
    with pytest.raises(InputError, match=r"^--page -: standard output is for the result, expected the name of a file"):
        commands.check_page(Path("-"))


def test_an_output_where_one_may_not_enter_is_refused_before_the_work(closed: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written: there is no permission to write in .*closed$"):
        commands.check_output(closed / "tags.jsonl")
    with pytest.raises(InputError, match=r"^--output .*tags\.jsonl cannot be written: there is no folder .*inner$"):
        commands.check_output(closed / "inner" / "tags.jsonl")
