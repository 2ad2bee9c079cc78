"""A benchmark that was stopped measures what is missing, and anew what other code or other company found."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import commits, measuring, ner, ner_tuning, records, translation_tuning
from benchmarks.kept import Kept

COMMAND = ["python", "--part", "fit"]
MADE = {"commit": "0123456789ab", "threads": 1, "jobs": 2}


@pytest.mark.parametrize(
    "made, change, command, again",
    [
        (MADE, {}, COMMAND, False),
        (MADE, {}, [*COMMAND, "--seed", "1"], True),
        (MADE, {"commit": "123456789abc"}, COMMAND, True),
        (MADE, {"threads": 2}, COMMAND, True),
        (MADE, {"jobs": 1}, COMMAND, True),
        (MADE | {"commit": "0123456789ab-dirty"}, {}, COMMAND, True),
        (MADE | {"commit": "0123456789ab to 123456789abc"}, {}, COMMAND, True),
    ],
)
def test_what_was_found_stands_for_a_part_that_is_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: dict[str, str | int],
    change: dict[str, str | int],
    command: list[str],
    again: bool,
) -> None:
    found = iter([0.1, 0.2])

    def run_measured(command: list[str], env: measuring.Env, timeout: float) -> measuring.Measured:
        return measuring.Measured(tuple(command), 3.0, 2.0, 10**9, {"mrr": next(found)})

    def run(made: dict[str, str | int], command: list[str]) -> measuring.Measured:
        monkeypatch.setattr(commits, "commit_measured", lambda: made["commit"])
        kept = Kept.begun(tmp_path / "kept", int(made["threads"]), int(made["jobs"]))
        return kept.run("train/valid, 10%", command, {}, 9.0)

    monkeypatch.setattr(measuring, "run_measured", run_measured)
    first = run(made, COMMAND)
    assert first.output == {"mrr": 0.1}
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["train-valid, 10%.json"]
    second = run(made | change, command)
    assert second.output == {"mrr": 0.2 if again else 0.1}
    assert (second == first) == (not again)


def test_it_is_told_at_once_that_nothing_will_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commits, "commit_measured", lambda: "unknown")
    Kept.begun(tmp_path, 1, 1)
    assert capsys.readouterr().err == "Nothing will be recorded, for the commit is unknown.\n"


def test_what_changed_while_it_was_measured_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter(["0123456789ab", "0123456789ab to 123456789abc", "0123456789ab", "0123456789ab"])
    found = iter([{"f1": 1.0}, {"f1": 2.0}])
    monkeypatch.setattr(commits, "commit_measured", lambda: next(seen))
    monkeypatch.setattr(
        measuring, "run_measured", lambda command, *_: measuring.Measured(tuple(command), 1.0, 1.0, 1, next(found))
    )
    assert Kept.begun(tmp_path, 1, 1).run("fit", COMMAND, {}, 9.0).output == {"f1": 1.0}
    assert Kept.begun(tmp_path, 1, 1).run("fit", COMMAND, {}, 9.0).output == {"f1": 2.0}


@pytest.mark.parametrize(
    "module, arguments, parts",
    [
        (ner, ["--seeds", "1"], len(ner.MODELS) + len(ner.TENTH) + 2),
        (ner_tuning, ["--seeds", "2"], 2 * len(ner_tuning.VARIANTS)),
        (translation_tuning, ["--epochs", "1", "--only", "preset", "dropout 0.2"], 2),
    ],
)
def test_what_is_there_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, arguments: list[str], parts: int
) -> None:
    output: dict[str, object]
    if module is translation_tuning:
        output = {"bleu": [[1, 7.0]], "loss": 40.0, "minutes": 2.0, "precision": "32"}
    else:
        output = dict.fromkeys(("f1", "precision", "recall", "dev", "minutes", "vectors", "seconds"), 90.0)
    called: list[list[str]] = []

    def run_measured(command: list[str], env: measuring.Env, timeout: float) -> measuring.Measured:
        called.append(command)
        return measuring.Measured(tuple(command), 60.0, 90.0, 10**9, output | {"minutes": float(len(called))})

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments, "--jobs", "1", "--keep", str(tmp_path)])
    module.main()  # type: ignore[attr-defined]
    assert len(called) == len(list(tmp_path.iterdir())) == parts
    one = sorted(tmp_path.iterdir())[0]
    lost = json.loads(one.read_text(encoding="utf-8"))["made"]["command"]
    one.unlink()
    module.main()  # type: ignore[attr-defined]
    assert list(map(list, called[parts:])) == [lost]
    module.main()  # type: ignore[attr-defined]
    assert len(called) == parts + 1
    assert recorded[1].rows == recorded[2].rows
    assert "--keep" not in recorded[0].command
