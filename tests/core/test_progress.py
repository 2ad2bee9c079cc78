import io
import os
import pty
import re
import subprocess
import sys
import threading

import pytest
import tasks

import latticework as lw
from latticework.core import progress as module
from latticework.core.progress import message, progress, show_progress, showing


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_nothing_is_shown_unless_asked_for(capsys):
    message("hidden")
    with progress("hidden", total=2) as bar:
        bar.advance(loss=1.0)
    assert capsys.readouterr() == ("", "")
    assert bar.done == 1


def test_showing_ends_with_its_context(capsys):
    with showing():
        message("shown")
        with showing(shown=False):
            message("hidden")
    message("hidden")
    assert capsys.readouterr() == ("", "shown\n")
    assert show_progress.get() is False


def test_library_user_turns_the_progress_of_training_on_in_a_line(capsys):
    tasks.learn(tasks.Regression(), tasks.plan())
    assert capsys.readouterr() == ("", "")
    with lw.progress.showing():
        tasks.learn(tasks.Regression(), tasks.plan())
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"training: 9 of 9 steps \(100%\), .*loss .*\n", err)


def test_one_process_of_many_shows(capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        with showing(), progress("training", total=1):
            message(f"shown by {rank}")
    assert capsys.readouterr().err.splitlines() == ["shown by 0", "training: 0 of 1 steps (0%), 0:00 taken"]


def test_log_gets_a_line_now_and_then_and_one_at_the_end(capsys, clock):
    with showing(), progress("training", total=1000, unit="batches") as bar:
        for _ in range(1000):
            clock.now += 0.025
            bar.advance(loss=0.5, tokens_per_s=12345.678)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "training: 400 of 1,000 batches (40%), loss 0.5, tokens per s 1.235e+04, 0:15 left",
        "training: 800 of 1,000 batches (80%), loss 0.5, tokens per s 1.235e+04, 0:05 left",
        "training: 1,000 of 1,000 batches (100%), loss 0.5, tokens per s 1.235e+04, 0:25 taken",
    ]


def test_log_says_how_far_a_failed_run_came(capsys, clock):
    def fail():
        with progress("reading", unit="lines") as bar:
            clock.now += 3700
            bar.advance(1234, file="a.txt")
            raise RuntimeError

    with showing(), pytest.raises(RuntimeError):
        fail()
    assert capsys.readouterr().err.splitlines()[-1] == "reading: 1,234 lines, file a.txt, 1:01:40 taken"


def test_time_left_of_a_resumed_run_counts_only_what_this_run_did(clock):
    with progress("training", total=1000, done=900) as bar:
        assert bar.seconds_left is None
        clock.now += 10
        bar.advance(50)
        assert bar.seconds_left == 10


def test_figures_keep_their_latest_value():
    with progress("training", total=None) as bar:
        bar.update(loss=2.0)
        bar.advance(2, bleu=31.0)
        bar.update(loss=1.0)
    assert bar.figures == {"loss": 1.0, "bleu": 31.0}
    assert bar.done == 2


def test_nothing_to_do_is_done():
    with progress("training", total=0) as bar:
        assert "0 of 0 steps (100%)" in bar.line()


TERMINAL = """
import time
from latticework.core.progress import message, progress, showing
with showing(), progress("[red]training[/red]", total=3, unit="batches") as bar:
    for n in range(3):
        bar.advance(loss=0.5 - n / 10)
        message(f"batch {n}")
        time.sleep(0.12)
print("result")
"""


def test_terminal_gets_a_bar_on_stderr_only():
    ours, theirs = pty.openpty()
    seen = []

    def read():
        while True:
            try:
                seen.append(os.read(ours, 4096))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=read)
    reader.start()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run([sys.executable, "-c", TERMINAL], env=environment, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    reader.join()
    os.close(ours)
    text = b"".join(seen).decode()
    assert done.stdout == b"result\n"
    assert done.returncode == 0
    assert "[red]training[/red]: 3 of 3 batches (100%), loss 0.3" in text
    assert "batch 1" in text
    assert "━" in text


def test_progress_in_a_log_does_not_import_rich(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with showing(), progress("training", total=1) as bar:
        bar.advance()
    assert "1 of 1" in sys.stderr.getvalue()


def test_work_that_ends_before_its_total_says_why_and_leaves_no_time_to_wait_for(capsys, clock):
    with showing(), progress("training", total=400) as bar:
        clock.now += 4
        bar.advance(130, loss=0.5)
        bar.stop("epoch 50 was the best")
    told = "training: 130 of 400 steps (32%), loss 0.5, 0:04 taken; stopped early: epoch 50 was the best\n"
    assert capsys.readouterr().err == told


class Flaky(io.StringIO):
    """A stream whose disk is full now and then."""

    full = False

    def write(self, text):
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_what_could_not_be_said_once_keeps_nothing_from_being_said_later(monkeypatch):
    stream = Flaky()
    monkeypatch.setattr(sys, "stderr", stream)
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    with showing():
        stream.full = True
        for _ in range(20):
            message("lost")
        stream.full = False
        message("said")
    assert stream.getvalue() == "said\n"
    assert descriptors is None or len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("stream", ["none", "closed"])
def test_work_goes_on_without_a_standard_error(stream, monkeypatch, capsys):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", None if stream == "none" else closed)
    with showing(), progress("training", total=1) as bar:
        message("nobody hears")
        bar.advance()
    assert capsys.readouterr().out == ""
