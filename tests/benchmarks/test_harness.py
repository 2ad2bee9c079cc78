import dataclasses
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import pytest

from benchmarks import harness
from benchmarks.harness import Row

MIB = 2**20


def python(code, timeout=60.0):
    return harness.run_measured([sys.executable, "-S", "-c", code], harness.environment(1), timeout)


@pytest.fixture
def result():
    rows = [
        Row.of("BLEU, test_2016", [33.8, 34.25, 34.0], "BLEU", ">= 30"),
        Row("peak memory | of fit", 1612.5, "MB", "<= 1500"),
        Row("BLEU after 5 minutes", 21, "BLEU"),
    ]
    return harness.make_result("translation", "Multi30k", "python -m benchmarks.translation", rows, threads=2)


def test_a_command_gives_its_results_and_its_costs():
    measured = python("import json; print('training'); print(json.dumps({'bleu': 30.5}))")
    assert measured.output == {"bleu": 30.5}
    assert measured.wall > 0
    assert measured.cpu > 0


def test_waiting_costs_wall_time_and_no_process_time():
    measured = python("import time; time.sleep(0.5); print('{}')")
    assert measured.wall >= 0.5
    assert measured.cpu < 0.4


def test_process_time_counts_a_child_waited_for():
    busy = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {busy!r}]); print('{{}}')"
    assert python(code).cpu >= 0.4


def test_peak_memory_is_what_was_held_for_a_moment():
    code = "block = bytearray(96 * 2**20); block[::4096] = b'x' * len(block[::4096]); del block; print('{}')"
    assert 96 * MIB < python(code).peak_memory < 160 * MIB


def test_peak_memory_is_not_that_of_the_benchmark_itself():
    code = (
        "import sys; from benchmarks import harness\n"
        "block = b'x' * (256 * 2**20)\n"
        "command = [sys.executable, '-S', '-c', 'print({})']\n"
        "print(harness.run_measured(command, harness.environment(1), 60).peak_memory)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=harness.HERE.parent, capture_output=True, check=True)
    assert int(done.stdout) < 64 * MIB


@pytest.mark.parametrize(
    "code, message",
    [
        ("raise SystemExit(3)", "failed with exit status 3"),
        ("import os; os.abort()", "failed with exit status -6"),
        ("print('done')", "must print a JSON object on its last line, got 'done'"),
        ("print([1])", "got '[1]'"),
        ("pass", "got ''"),
    ],
)
def test_a_command_that_fails_or_says_nothing_is_an_error(code, message):
    with pytest.raises(RuntimeError, match=re.escape(message)):
        python(code)


def test_an_unknown_command_is_an_error():
    with pytest.raises(RuntimeError, match="no command 'no-such-command'"):
        harness.run_measured(["no-such-command"], harness.environment(1), 10)


def test_a_command_out_of_time_is_killed_with_its_children(tmp_path):
    noted = tmp_path / "pid"
    child = f"import os, pathlib, time; pathlib.Path({str(noted)!r}).write_text(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(TimeoutError, match="more than 2 s"):
        python(code, timeout=2)
    pid = int(noted.read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        state = harness.Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return  # dead, and nobody here collects it
        time.sleep(0.05)
    pytest.fail("the child outlived its benchmark")


def test_threads_are_set_for_every_library():
    environment = harness.environment(2)
    assert {environment[name] for name in harness.THREADS} == {"2"}
    assert environment["PATH"] == os.environ["PATH"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are not bound to cores here")
def test_a_command_gets_no_more_cores_than_it_may_have():
    code = "import json, os; print(json.dumps({'cores': len(os.sched_getaffinity(0)), **os.environ}))"
    command, environment = [sys.executable, "-S", "-c", code], harness.environment(1)
    assert harness.run_measured(command, environment, 60, cores=1).output["cores"] == 1
    assert "BENCHMARK_CORES" not in harness.run_measured(command, environment, 60, cores=1).output
    assert harness.run_measured(command, environment, 60).output["cores"] == len(os.sched_getaffinity(0))


def test_the_command_on_record_has_what_makes_it_again():
    line = harness.command_line("python -m benchmarks.x", seeds=3, beam_count=None, only=["4 layers", "a"], keep=True)
    assert line == "python -m benchmarks.x --seeds 3 --only '4 layers' a --keep"
    assert harness.command_line("c", threads=0, only=[], quick=False) == "c --threads 0"


def test_what_is_not_whole_is_shown_and_not_recorded(result, tmp_path, capsys):
    assert harness.record(result, tmp_path, lacks=["tyres", "scans"]) is None
    assert not (tmp_path / "results").exists()
    shown = capsys.readouterr().out
    assert shown.startswith("**Multi30k**")
    assert "it lacks: tyres, scans" in shown


def test_a_commit_that_changes_while_a_benchmark_runs_is_told(monkeypatch):
    assert harness.commit_measured() == "0123456789ab"
    monkeypatch.setattr(harness, "_BEGUN", "ba9876543210")
    assert harness.commit_measured() == "ba9876543210 to 0123456789ab"


def test_a_tree_with_changes_is_told_before_anything_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(harness, "commit_measured", lambda: "0123456789ab")
    assert harness.uncommitted() == []
    monkeypatch.setattr(harness, "commit_measured", lambda: "0123456789ab-dirty")
    assert harness.uncommitted() == ["a commit that has what was measured"]
    assert "Nothing will be recorded, for the tree has changes" in capsys.readouterr().err
    monkeypatch.setattr(harness, "commit_measured", lambda: "unknown")
    assert harness.uncommitted() == ["a commit that has what was measured"]


@pytest.mark.parametrize("commit", ["0123456789ab-dirty", "0123456789ab to ba9876543210", "unknown"])
def test_what_no_one_commit_has_is_not_recorded(commit, result, tmp_path, capsys):
    other = dataclasses.replace(result, versions={**result.versions, "commit": commit})
    assert harness.record(other, tmp_path) is None
    assert not (tmp_path / "results").exists()
    assert "a commit that has what was measured" in capsys.readouterr().out


def test_fewer_seeds_or_rounds_do_not_replace_what_is_on_record(result, tmp_path, capsys):
    command = "python -m benchmarks.x --seeds 3 --threads 2 --repeats 5 --families a --only b"
    path = harness.record(dataclasses.replace(result, command=command), tmp_path)
    kept = path.read_text()
    for fewer in (command.replace("--seeds 3", "--seeds 2"), command.replace("--repeats 5", "--repeats 1")):
        assert harness.record(dataclasses.replace(result, command=fewer), tmp_path) is None
        assert path.read_text() == kept
    assert "--seeds 3, as on record" in capsys.readouterr().out
    for enough in (command.replace("--threads 2", "--threads 1"), command.replace("--seeds 3", "--seeds 12")):
        assert harness.record(dataclasses.replace(result, command=enough), tmp_path) == path
    lists = dataclasses.replace(result, command="python -m benchmarks.x --seeds 1 2 3", name="lists")
    assert harness.record(lists, tmp_path)
    assert harness.record(dataclasses.replace(lists, command="python -m benchmarks.x --seeds 0 1 2"), tmp_path)


def test_the_commit_of_another_checkout_than_that_of_the_package_is_not_known(monkeypatch, tmp_path):
    monkeypatch.undo()
    assert harness._commit() != "0123456789ab"
    monkeypatch.setattr(harness, "HERE", tmp_path / "benchmarks")
    assert harness._commit() == "unknown"


def test_more_cores_than_there_are_are_refused():
    with pytest.raises(RuntimeError, match="99999 cores are asked for, and this process may have"):
        harness.run_measured([sys.executable, "-c", "print('{}')"], harness.environment(1), 60, cores=99_999)


def test_runs_alternate(tmp_path):
    log = tmp_path / "log"
    commands = {
        name: [sys.executable, "-S", "-c", f"open({str(log)!r}, 'a').write({name!r}); print('{{\"n\": 1}}')"]
        for name in "AB"
    }
    runs = harness.interleave(commands, harness.environment(1), timeout=60, repeats=3)
    assert log.read_text() == "ABABAB"
    assert [len(measured) for measured in runs.values()] == [3, 3]


def test_ratios_are_taken_round_by_round():
    assert harness.paired_ratios([1.0, 4.0], [2.0, 2.0]) == [0.5, 2.0]
    with pytest.raises(ValueError, match="zip"):
        harness.paired_ratios([1.0], [1.0, 2.0])


def test_several_runs_become_the_median_between_the_extremes():
    row = Row.of("time", [3.0, 1.0, 9.0], "s", "<= 3")
    assert (row.value, row.low, row.high, row.met) == (3.0, 1.0, 9.0, True)


def test_a_result_says_what_it_was_made_with(result):
    assert {"python", "torch", "numpy", "latticework", "commit"} <= set(result.versions)
    assert result.machine["cores_used"] == 2
    assert result.machine["memory"] > MIB
    side_by_side = harness.make_result("a", "b", "c", result.rows, threads=2, jobs=3, others={"peer R": "4.5"})
    assert side_by_side.machine["cores_used"] == 6
    assert side_by_side.versions["peer R"] == "4.5"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", result.date)


def test_a_result_is_read_as_it_was_written(result, tmp_path):
    assert harness.read(harness.record(result, tmp_path)) == result


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
    path = harness.record(result, tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        harness.read(path)


def test_a_bad_result_is_not_written(result, tmp_path):
    with pytest.raises(ValueError, match="no name of a file"):
        harness.record(dataclasses.replace(result, name="a b"), tmp_path)
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


def test_rendering_fills_the_markers_and_nothing_else(result, tmp_path):
    harness.record(result, tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(
        "before\n<!-- begin translation -->\nold\n<!-- end translation -->\nafter\n<!-- begin x --><!-- end x -->\n"
    )
    harness.render(tmp_path)
    once = readme.read_text()
    assert once.startswith(
        "before\n<!-- begin translation -->\n**Multi30k**, from `python -m benchmarks.translation`:\n"
    )
    assert once.endswith("<!-- end translation -->\nafter\n<!-- begin x --><!-- end x -->\n")
    assert "| BLEU, test_2016 | 34 BLEU | 33.8 to 34.25 | >= 30 | yes |\n" in once
    assert "| peak memory \\| of fit | 1,612 MB |  | <= 1500 | **no** |\n" in once
    assert "| BLEU after 5 minutes | 21 BLEU |  |  |  |\n" in once
    assert "old" not in once
    harness.render(tmp_path)
    assert readme.read_text() == once


def test_a_result_without_a_place_is_an_error(result, tmp_path):
    harness.record(result, tmp_path)
    (tmp_path / "README.md").write_text("no markers")
    with pytest.raises(ValueError, match="begin translation"):
        harness.render(tmp_path)


def test_the_page_of_benchmarks_has_a_place_for_every_result():
    page = (harness.HERE / "README.md").read_text(encoding="utf-8")
    for path in (harness.HERE / "results").glob("*.json"):
        assert f"<!-- begin {path.stem} -->\n{harness.table(harness.read(path))}\n<!-- end {path.stem} -->" in page


@pytest.mark.parametrize("path", sorted((harness.HERE / "results").glob("*.json")), ids=lambda path: path.stem)
def test_no_two_rows_of_a_record_have_one_name_for_prose_could_not_quote_them(path):
    names = [row.name for row in harness.read(path).rows]
    assert sorted(names) == sorted(set(names))


def write_wheel(folder, name, version, code, *, needs=""):
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        wheel.writestr(f"{name}-{version}.dist-info/METADATA", about)
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{name}-{version}.dist-info/WHEEL", tags)
        wheel.writestr(f"{name}-{version}.dist-info/RECORD", "")


def test_peers_have_an_environment_of_their_own_made_once_some_without_what_they_declare(tmp_path, monkeypatch):
    write_wheel(tmp_path, "rival", "1.5", "speed = 9\n")
    write_wheel(tmp_path, "heavy", "2.0", "speed = 1\n", needs="Requires-Dist: nowhere-to-be-found\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "rival.txt").write_text("rival==1.5  # the last release\nheavy==2.0  # alone\n")
    interpreter = harness.peer_environment("rival", tmp_path, alone=["heavy"])
    code = (
        "import heavy, json, rival, sys; print(json.dumps({'speeds': [rival.speed, heavy.speed], 'home': sys.prefix}))"
    )
    measured = harness.run_measured([interpreter, "-c", code], harness.environment(1), 60)
    assert measured.output == {"speeds": [9, 1], "home": str(interpreter.parents[1])}
    monkeypatch.setattr(subprocess, "run", None)  # nothing is run a second time
    assert harness.peer_environment("rival", tmp_path, alone=["heavy"]) == interpreter


def test_a_peer_whose_version_is_open_is_refused(tmp_path):
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "rival.txt").write_text("torch==2.13.0\nrival>=1.5\n")
    with pytest.raises(ValueError, match=re.escape("rival>=1.5 must be pinned with ==")):
        harness.peer_environment("rival", tmp_path)
    assert not (tmp_path / ".peers").exists()


def test_what_benchmarks_write_makes_no_other_commit(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    monkeypatch.undo()
    folder = tmp_path / "benchmarks"
    monkeypatch.setattr(harness, "HERE", folder)
    package = SimpleNamespace(origin=str(tmp_path / "src" / "latticework" / "__init__.py"))
    monkeypatch.setattr(harness, "find_spec", lambda name: package)
    (folder / "results").mkdir(parents=True)
    for name in ("README.md", "results/one.json", "one.py", "../other.py"):
        (folder / name).write_text("first")
    git("init", "--quiet")
    git("add", ".")
    git("-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "--message=first")
    commit = harness._commit()
    assert re.fullmatch("[0-9a-f]{12}", commit)
    for name in ("README.md", "results/one.json", "results/two.json"):
        (folder / name).write_text("second")
    assert harness._commit() == commit
    for name in ("one.py", "../other.py"):
        (folder / name).write_text("second")
        assert harness._commit() == f"{commit}-dirty"
        (folder / name).write_text("first")
