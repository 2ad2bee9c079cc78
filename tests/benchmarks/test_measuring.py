"""Commands are measured with what they cost, and peers have environments of their own."""

import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from benchmarks import HERE, measuring

MIB = 2**20


def python(code, timeout=60.0):
    return measuring.run_measured([sys.executable, "-S", "-c", code], measuring.environment(1), timeout)


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
        "import sys; from benchmarks import measuring\n"
        "block = b'x' * (256 * 2**20)\n"
        "command = [sys.executable, '-S', '-c', 'print({})']\n"
        "print(measuring.run_measured(command, measuring.environment(1), 60).peak_memory)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE.parent, capture_output=True, check=True)
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
        measuring.run_measured(["no-such-command"], measuring.environment(1), 10)


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
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return  # dead, and nobody here collects it
        time.sleep(0.05)
    pytest.fail("the child outlived its benchmark")


def test_threads_are_set_for_every_library():
    environment = measuring.environment(2)
    assert {environment[name] for name in measuring.THREADS} == {"2"}
    assert environment["PATH"] == os.environ["PATH"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are not bound to cores here")
def test_a_command_gets_no_more_cores_than_it_may_have():
    code = "import json, os; print(json.dumps({'cores': len(os.sched_getaffinity(0)), **os.environ}))"
    command, environment = [sys.executable, "-S", "-c", code], measuring.environment(1)
    assert measuring.run_measured(command, environment, 60, cores=1).output["cores"] == 1
    assert "BENCHMARK_CORES" not in measuring.run_measured(command, environment, 60, cores=1).output
    assert measuring.run_measured(command, environment, 60).output["cores"] == len(os.sched_getaffinity(0))


def test_more_cores_than_there_are_are_refused():
    with pytest.raises(RuntimeError, match="99999 cores are asked for, and this process may have"):
        measuring.run_measured([sys.executable, "-c", "print('{}')"], measuring.environment(1), 60, cores=99_999)


def test_runs_alternate(tmp_path):
    log = tmp_path / "log"
    commands = {
        name: [sys.executable, "-S", "-c", f"open({str(log)!r}, 'a').write({name!r}); print('{{\"n\": 1}}')"]
        for name in "AB"
    }
    runs = measuring.interleave(commands, measuring.environment(1), timeout=60, repeats=3)
    assert log.read_text() == "ABABAB"
    assert [len(measured) for measured in runs.values()] == [3, 3]


def test_jobs_of_one_process_alternate_and_their_first_round_does_not_count():
    done = []

    def job(name):
        done.append(name)
        return f"{name} {len(done)}"

    seconds, results = measuring.take_turns({name: lambda name=name: job(name) for name in "AB"}, rounds=2)
    assert done == list("ABABAB")
    assert [len(values) for values in seconds.values()] == [2, 2]
    assert min(map(min, seconds.values())) > 0
    assert results == {"A": "A 5", "B": "B 6"}


def test_parts_side_by_side_are_told_apart():
    assert measuring.side_by_side(lambda part: part**2, [3, 1, 2], jobs=2) == {3: 9, 1: 1, 2: 4}


def test_ratios_and_differences_are_taken_round_by_round():
    assert measuring.paired_ratios([1.0, 4.0], [2.0, 2.0]) == [0.5, 2.0]
    assert measuring.paired_differences([1.0, 4.0], [2.0, 2.0]) == [-1.0, 2.0]
    for paired in (measuring.paired_ratios, measuring.paired_differences):
        with pytest.raises(ValueError, match="zip"):
            paired([1.0], [1.0, 2.0])


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
    interpreter = measuring.peer_environment("rival", tmp_path, alone=["heavy"])
    code = (
        "import heavy, json, rival, sys; print(json.dumps({'speeds': [rival.speed, heavy.speed], 'home': sys.prefix}))"
    )
    measured = measuring.run_measured([interpreter, "-c", code], measuring.environment(1), 60)
    assert measured.output == {"speeds": [9, 1], "home": str(interpreter.parents[1])}
    monkeypatch.setattr(subprocess, "run", None)  # nothing is run a second time
    assert measuring.peer_environment("rival", tmp_path, alone=["heavy"]) == interpreter


def test_a_peer_whose_version_is_open_is_refused(tmp_path):
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "rival.txt").write_text("torch==2.13.0\nrival>=1.5\n")
    with pytest.raises(ValueError, match=re.escape("rival>=1.5 must be pinned with ==")):
        measuring.peer_environment("rival", tmp_path)
    assert not (tmp_path / ".peers").exists()
