"""What mutation testing runs on is there, and what mutmut says is counted."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import HERE, commits, harness, mutation, records
from benchmarks.kept import Kept
from benchmarks.mutation import MATHS, Tally
from latticework.core.capability import capabilities

STATES = """
    latticework.nn.crf.x_score__mutmut_1: killed
    latticework.nn.crf.x_score__mutmut_2: survived
    latticework.nn.crf.x_other__mutmut_1: timeout
    latticework.nn.crf.x_unused__mutmut_1: no tests
"""
CHANGE = """# latticework.nn.crf.x_score__mutmut_2: survived
--- src/latticework/nn/crf.py
+++ src/latticework/nn/crf.py
@@ -1,3 +1,3 @@
 def score(a, b):
-    return   a + b
+    return   a - b
"""


@pytest.fixture
def mutmut(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command[2:])
        output = {"results": STATES, "show": CHANGE}.get(command[3], "")
        return subprocess.CompletedProcess(command, 0, output, "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_every_module_and_its_tests_are_there() -> None:
    for modules in MATHS.values():
        for module, tests in modules.items():
            assert (mutation.ROOT / "src" / "latticework" / f"{module}.py").is_file(), module
            for test in tests.split():
                assert (mutation.ROOT / "tests" / f"{test}.py").is_file(), test


def test_every_capability_has_maths_that_is_mutated() -> None:
    assert {capability.name for capability in capabilities()} <= MATHS.keys()


def test_what_mutmut_says_is_counted(mutmut: list[list[str]], tmp_path: Path) -> None:
    found = mutation.mutate("nn/crf", ["nn/test_crf"], tmp_path / "work", jobs=3)
    assert found == Tally(2, ("latticework.nn.crf.x_score__mutmut_2: - return a + b  + return a - b",), 1, 4)
    assert found.total == 4
    assert mutmut[0] == ["mutmut", "run", "--max-children", "3"]
    assert mutmut[2] == ["mutmut", "show", "latticework.nn.crf.x_score__mutmut_2"]
    assert (tmp_path / "work" / "tests" / "nn" / "test_crf.py").is_file()
    told = configparser.ConfigParser()
    told.read(tmp_path / "work" / "setup.cfg")
    assert told["mutmut"]["only_mutate"] == "src/latticework/nn/crf.py"
    assert told["mutmut"]["pytest_add_cli_args_test_selection"].split() == ["tests/nn/test_crf.py"]


def test_a_folder_to_work_in_is_made_and_emptied_again(tmp_path: Path) -> None:
    work = tmp_path / "some" / "work"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    for _ in range(2):
        mutation.make_empty(work)
        assert [path.name for path in work.iterdir()] == [mutation.MARK]
        (work / "src").mkdir()
        (work / "src" / "one.py").touch()
        (work / "setup.cfg").touch()
        (work / "link").symlink_to(outside)
    mutation.make_empty(work)
    assert (outside / "file").exists()
    (tmp_path / "empty").mkdir()
    mutation.make_empty(tmp_path / "empty")


def test_what_it_did_not_make_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    monkeypatch.setattr(mutation, "find_spec", lambda name: True)
    for name in ("mine", "file", "link"):
        monkeypatch.setattr(sys, "argv", ["mutation", "--work", str(tmp_path / name)])
        with pytest.raises(SystemExit, match=f"--work .*{name}: (a folder that holds something|not a folder)"):
            mutation.main()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_of_a_sample_only_what_was_drawn_is_run_and_counted(mutmut: list[list[str]], tmp_path: Path) -> None:
    found = mutation.mutate("nn/crf", ["nn/test_crf"], tmp_path / "work", jobs=1, most=3)
    runs = [call for call in mutmut if call[1] == "run"]
    assert runs[0][4:6] == [f"*x_{name}__mutmut_1" for name in ("span_log_probability", "negative_log_likelihood")]
    assert len(runs[0]) == 7
    names = {line.split(":")[0].strip() for line in STATES.split("\n") if line}
    assert len(runs[1][4:]) == 3
    assert set(runs[1][4:]) < names
    assert (found.total, found.mutants) == (3, 4)
    assert mutation.mutate("nn/crf", ["nn/test_crf"], tmp_path / "work", jobs=1, most=3) == found


def test_the_table_has_the_share_of_each_capability_and_module() -> None:
    tallies = {"nn": {"nn/crf": Tally(8, ("nn.one",), 1, 10), "nn/chain": Tally(10, (), 0, 10)}}
    found = mutation.result(tallies, jobs=2)
    assert [(row.name, row.value) for row in found.rows] == [
        ("all: 2 modules, 20 of 20 mutants", 90.0),
        ("nn: 2 modules, 20 of 20 mutants", 90.0),
        ("nn/crf: 10 of 10 mutants", 80.0),
        ("nn/chain: 10 of 10 mutants", 100.0),
    ]
    assert list(mutation.lines_of(tallies)) == ["nn/crf: nn.one"]
    assert "estimates" not in found.title


def test_the_page_of_results_has_a_place_for_the_table() -> None:
    found = mutation.result({"nn": {"nn/crf": Tally(8, ("nn.one",), 1, 10)}}, jobs=2)
    page = (HERE / "README.md").read_text(encoding="utf-8")
    assert records.table(found) in harness.with_tables(page, {mutation.NAME: found})


def test_of_a_sample_a_module_counts_by_the_mutants_that_it_has() -> None:
    tallies = {
        "nn": {"nn/crf": Tally(5, (), 5, 900), "nn/chain": Tally(10, (), 0, 90)},
        "ner": {"ner/tags": Tally(10, (), 0, 10)},
    }
    found = mutation.result(tallies, jobs=2, sample=10)
    shares = {row.name: row.value for row in found.rows}
    assert (
        shares["all: 3 modules, 30 of 1,000 mutants"] == 55.0
    )  # (450 + 90 + 10) / 1,000; drawn alike it would be 83 %
    assert shares["nn: 2 modules, 20 of 990 mutants"] == pytest.approx(100 * 540 / 990)
    assert shares["nn/crf: 10 of 900 mutants"] == 50.0
    assert shares["ner: 10 of 10 mutants"] == shares["ner/tags: 10 of 10 mutants"] == 100.0
    assert found.command == "python -m benchmarks.mutation --sample 10 --jobs 2"
    assert found.machine["cores_used"] == 2
    assert "at most 10 were drawn" in found.title
    assert "estimates that weigh each by the mutants it has" in found.title


def test_what_was_found_of_a_module_is_kept_for_the_same_tests_and_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = []

    def mutate(module: str, tests: list[str], work: Path, jobs: int, most: int | None) -> Tally:
        tested.append((module, most))
        return Tally(39, ("one: - a  + b",), 0, 120)

    monkeypatch.setattr(mutation, "mutate", mutate)
    monkeypatch.setattr(commits, "commit_measured", lambda: "0123456789ab")
    for sample, tests in ((40, "a"), (40, "a"), (30, "a"), (40, "b")):
        kept = Kept.begun(tmp_path, 1, 2)
        found = mutation.remembered(kept, "nn/crf", [tests], tmp_path, 2, sample)
        assert found == Tally(39, ("one: - a  + b",), 0, 120)
    assert tested == [("nn/crf", 40), ("nn/crf", 30), ("nn/crf", 40)]
