"""How commands end: the exit status, one line on standard error, and nothing but results on standard output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from programs import COMMAND, MAIN, TORCHRUN

from latticework.cli import errors, main

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    "arguments, status, line",
    [
        (["juggle", "drop", "input"], 2, r"error: balls.txt:3: not a ball: \x1b[31mcube"),
        (["juggle", "drop", "extra"], 1, "error: juggling fire needs torches: pip install 'latticework[fire]'"),
        (["juggle", "drop", "bug"], 1, "error: RuntimeError: dropped (latticework --debug ... shows where)"),
        (["juggle", "drop", "full"], 1, "error: balls.txt cannot be written: No space left on device"),
        (["juggle", "drop", "interrupt"], 130, "error: interrupted"),
        (["juggle", "drop", "exit"], 1, "error: no such ball"),
        (["juggle", "drop"], 2, "error: Missing argument 'how'. (latticework juggle drop --help tells more)"),
        (["juggle", "fling"], 2, "error: No such command 'fling'. (latticework juggle --help tells more)"),
        (["jugle"], 2, "error: No such command 'jugle'. Did you mean 'juggle'? (latticework --help tells more)"),
        (["--colour"], 2, "error: No such option: --colour (latticework --help tells more)"),
        (["--colour=1", "x"], 2, "error: No such option: --colour (latticework --help tells more)"),
        (
            ["translate", "fit", "a", "b", "--valid", "c"],
            2,
            "error: Option '--valid' requires 2 arguments. (latticework ... --help tells more)",
        ),
        (["show"], 2, "error: Missing argument 'MODEL'. (latticework show --help tells more)"),
        (
            ["derive", "x", "--format", "pdf"],
            2,
            "error: Invalid value for '--format': 'pdf' is not one of 'text', 'latex', 'html', 'json'. "
            "(latticework derive --help tells more)",
        ),
    ],
)
def test_an_error_is_one_line_and_a_status(
    juggling: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, line: str
) -> None:
    assert main(arguments) == status
    captured = capsys.readouterr()
    assert captured.err == line + "\n"
    assert captured.out == ""


def test_a_seed_below_zero_is_bad_usage(juggling: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["juggle", "throw", "--seed", "-1"]) == 2
    assert "'--seed'" in capsys.readouterr().err


def test_debug_shows_the_traceback(juggling: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "juggle", "drop", "input"]) == 2
    text = capsys.readouterr().err
    assert text.startswith("Traceback (most recent call last):\n")
    assert "in drop\n" in text
    assert text.endswith("error: balls.txt:3: not a ball: \\x1b[31mcube\n")


def test_a_command_may_fail_without_a_word(juggling: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["juggle", "drop", "status"]) == 1
    assert capsys.readouterr().err == ""


def test_what_a_command_returns_is_no_status_unless_it_is_a_number(juggling: Path) -> None:
    assert main(["juggle", "drop", "truth"]) == 0
    assert errors.verdict(SystemExit()) == (0, "")
    assert errors.verdict(SystemExit(3)) == (3, "")


def test_a_warning_is_one_line(command: Command) -> None:
    done = command("juggle", "drop", "warning")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "warning: one ball is heavier\n")


def test_what_processes_say_alike_is_said_once(juggling: Path) -> None:
    program = (
        "import sys; from latticework.cli import main; "
        "main(['juggle', 'throw']); main(['juggle', 'drop', 'warning']); sys.exit(main(['juggle', 'drop', 'input']))"
    )
    done = subprocess.run(
        [*TORCHRUN, "--no-python", sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    known = ("throwing", "warning: ", "error: ")  # torchrun has a lot to say of its own
    assert [line for line in done.stderr.splitlines() if line.startswith(known)] == [
        "throwing",
        "warning: one ball is heavier",
        r"error: balls.txt:3: not a ball: \x1b[31mcube",
    ]


@pytest.mark.parametrize("how, status", [("input", 2), ("bug", 1)])
def test_a_process_that_fails_alone_says_so_after_a_while(
    juggling: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, how: str, status: int
) -> None:
    waited: list[float] = []
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setattr(errors.time, "sleep", waited.append)
    assert main(["juggle", "drop", how]) == status
    assert waited == [errors.PATIENCE]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: process 3: ")


def test_a_process_that_is_interrupted_with_the_first_is_silent(
    juggling: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["juggle", "drop", "interrupt"]) == 130
    assert capsys.readouterr().err == ""


def test_the_status_reaches_the_shell(command: Command) -> None:
    assert command("juggle", "drop", "input").returncode == 2
    assert command("juggle", "drop", "interrupt").returncode == 130


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is always full")
def test_a_full_disk_ends_a_command_alike_wherever_it_is_found() -> None:
    words = [*COMMAND, "derive", "x^2", "--wrt", "x", "--shape", "x:"]
    done = subprocess.run([*words, "-o", "/dev/full"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "error: /dev/full cannot be written: No space left on device\n")
    reason = "a file or the output cannot be written: No space left on device"
    for unbuffered in ("", "1"):
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
        assert (done.returncode, done.stderr) == (1, f"error: {reason}\n")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no device that is always full")
def test_work_goes_on_where_nothing_can_be_said(tmp_path: Path) -> None:
    for words, status in ((["show", "nothing"], 2), (["--debug", "show", "nothing"], 2), (["derive", "x^2"], 2)):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run([*COMMAND, *words], stdout=subprocess.PIPE, stderr=full, text=True)
        assert (done.returncode, done.stdout) == (status, "")
    page = tmp_path / "tour.html"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "tour", "--only", "calculus", "-o", page], stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == 0
    assert page.exists()


def test_only_the_reader_of_results_may_go_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise BrokenPipeError(32, "a worker has gone")

    assert errors.exit_status(broken, errors.Invocation()) == 1
    assert "a worker has gone" in capfd.readouterr().err
    command = typer.Typer()  # which ends of it without a word
    command.command()(broken)
    assert errors.exit_status(lambda: command([], standalone_mode=False), errors.Invocation()) == 1
    assert "a worker has gone" in capfd.readouterr().err
    program = (
        "import sys; from latticework.cli import main; sys.exit(main(['derive', 'x^2', '--wrt', 'x', '--shape', 'x:']))"
    )
    for unbuffered in ("", "1"):
        reader, writer = os.pipe()
        os.close(reader)
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run([sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, env=environment)
        os.close(writer)
        assert (done.returncode, done.stderr) == (1, b"")


def test_an_interrupt_while_the_command_is_read_is_one_line() -> None:
    program = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from latticework.cli import main
sys.exit(main(["--version"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_an_impatient_second_interrupt_says_nothing_more(juggling: Path) -> None:
    again = "import atexit, os, signal, sys; atexit.register(os.kill, os.getpid(), signal.SIGINT)"
    program = [sys.executable, "-c", f"{again}; {MAIN}"]
    done = subprocess.run([*program, "juggle", "drop", "interrupt"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_a_reader_that_stops_reading_is_no_error(juggling: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "juggle", "drop", "flood"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == '{"ball": 0}\n'
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


CLOSED = {
    # What is closed, the words, and then the status, what is printed, and what is said.
    "stdout": (">&-", ("juggle", "throw"), 0, "", "throwing\n"),
    "stderr": ("2>&-", ("juggle", "throw", "--json"), 0, '{"balls": 3, "seed": 0}\n', ""),
    "stderr of one that fails": ("2>&-", ("juggle", "drop", "input"), 2, "", ""),
    "stdin": ("<&-", ("juggle", "listen"), 0, "[]\n", ""),
    "all": ("<&- >&- 2>&-", ("juggle", "listen"), 0, "", ""),
}


@pytest.mark.skipif(os.name == "nt", reason="no shell that closes streams there")
@pytest.mark.parametrize("closed, words, status, out, err", CLOSED.values(), ids=CLOSED)
def test_a_stream_that_is_closed_is_as_one_that_nobody_heeds(
    juggling: Path, closed: str, words: tuple[str, ...], status: int, out: str, err: str
) -> None:
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, out, err)
