"""Results are read as they were written, and what is not whole is not written."""

import dataclasses
import json
import re

import pytest

from benchmarks import HERE, records
from benchmarks.records import Row


def test_the_command_on_record_has_what_makes_it_again():
    line = records.command_line("python -m benchmarks.x", seeds=3, beam_count=None, only=["4 layers", "a"], keep=True)
    assert line == "python -m benchmarks.x --seeds 3 --only '4 layers' a --keep"
    assert records.command_line("c", threads=0, only=[], quick=False) == "c --threads 0"


def test_what_is_not_whole_is_shown_and_not_recorded(result, tmp_path, capsys):
    assert records.record(result, tmp_path, lacks=["tyres", "scans"]) is None
    assert not (tmp_path / "results").exists()
    shown = capsys.readouterr().out
    assert shown.startswith("**Multi30k**")
    assert "it lacks: tyres, scans" in shown


@pytest.mark.parametrize("commit", ["0123456789ab-dirty", "0123456789ab to ba9876543210", "unknown"])
def test_what_no_one_commit_has_is_not_recorded(commit, result, tmp_path, capsys):
    other = dataclasses.replace(result, versions={**result.versions, "commit": commit})
    assert records.record(other, tmp_path) is None
    assert not (tmp_path / "results").exists()
    assert "a commit that has what was measured" in capsys.readouterr().out


def test_fewer_seeds_or_rounds_do_not_replace_what_is_on_record(result, tmp_path, capsys):
    command = "python -m benchmarks.x --seeds 3 --threads 2 --repeats 5 --families a --only b"
    path = records.record(dataclasses.replace(result, command=command), tmp_path)
    kept = path.read_text()
    for fewer in (command.replace("--seeds 3", "--seeds 2"), command.replace("--repeats 5", "--repeats 1")):
        assert records.record(dataclasses.replace(result, command=fewer), tmp_path) is None
        assert path.read_text() == kept
    assert "--seeds 3, as on record" in capsys.readouterr().out
    for enough in (command.replace("--threads 2", "--threads 1"), command.replace("--seeds 3", "--seeds 12")):
        assert records.record(dataclasses.replace(result, command=enough), tmp_path) == path
    lists = dataclasses.replace(result, command="python -m benchmarks.x --seeds 1 2 3", name="lists")
    assert records.record(lists, tmp_path)
    assert records.record(dataclasses.replace(lists, command="python -m benchmarks.x --seeds 0 1 2"), tmp_path)


def test_several_runs_become_the_median_between_the_extremes():
    row = Row.of("time", [3.0, 1.0, 9.0], "s", "<= 3")
    assert (row.value, row.low, row.high, row.met) == (3.0, 1.0, 9.0, True)


def test_a_result_says_what_it_was_made_with(result):
    assert {"python", "torch", "numpy", "latticework", "commit"} <= set(result.versions)
    assert result.machine["cores_used"] == 2
    assert result.machine["memory"] > 2**20
    side_by_side = records.make_result("a", "b", "c", result.rows, threads=2, jobs=3, others={"peer R": "4.5"})
    assert side_by_side.machine["cores_used"] == 6
    assert side_by_side.versions["peer R"] == "4.5"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", result.date)


def test_a_result_is_read_as_it_was_written(result, tmp_path):
    assert records.read(records.record(result, tmp_path)) == result


@pytest.mark.parametrize(
    "change, message",
    [
        ({"schema": 2}, "schema 1"),
        ({"extra": 1}, "extra"),
        ({"rows": [{"name": "x"}]}, "met"),
        ({"name": "../x"}, "no name of a file"),
        ({"date": "yesterday"}, "yesterday"),
        ({"machine": {}}, "machine is incomplete"),
        ({"versions": {}}, "versions are missing"),
        ({"rows": [{"name": "x", "value": 1, "unit": "s", "target": ">= 2", "met": True}]}, "what is met"),
    ],
)
def test_a_result_that_was_tampered_with_is_refused(result, tmp_path, change, message):
    path = records.record(result, tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        records.read(path)


def test_a_bad_result_is_not_written(result, tmp_path):
    with pytest.raises(ValueError, match="no name of a file"):
        records.record(dataclasses.replace(result, name="a b"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "fields",
    [
        {"value": float("nan")},
        {"value": True},
        {"value": "1"},
        {"value": None},
        {"target": "30"},
        {"low": 0.0},
        {"low": 2.0, "high": 3.0},
        {"unit": None},
    ],
)
def test_a_bad_row_is_refused(fields):
    with pytest.raises(ValueError, match="x"):
        Row(**({"name": "x", "value": 1.0, "unit": "s"} | fields))


@pytest.mark.parametrize("path", sorted((HERE / "results").glob("*.json")), ids=lambda path: path.stem)
def test_no_two_rows_of_a_record_have_one_name_for_prose_could_not_quote_them(path):
    names = [row.name for row in records.read(path).rows]
    assert sorted(names) == sorted(set(names))
