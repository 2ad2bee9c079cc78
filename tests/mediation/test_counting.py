"""Steps are counted as they are made, in whatever process or on whatever machine."""

import time
from pathlib import Path

import joblib
import pytest
from fakes import walk

from latticework.core.parallel import workers
from latticework.core.progress import progress, showing
from latticework.mediation import counting
from latticework.mediation.counting import Steps, stepping


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_steps_are_counted_in_whatever_process_they_are_made(backend):
    with (
        joblib.parallel_config(backend=backend, n_jobs=2),
        showing(),
        progress("walking", total=9) as bar,
        stepping(bar, [2, 3, 4]) as steps,
        workers(None) as parallel,
    ):
        list(parallel(joblib.delayed(walk)(each, count) for each, count in zip(steps, [2, 3, 3], strict=True)))
    assert bar.done == 8


def test_a_bar_follows_the_steps_while_they_are_made(monkeypatch):
    monkeypatch.setattr(counting, "_LOOK_SECONDS", 0.001)
    with showing(), progress("walking", total=3) as bar, stepping(bar, [3]) as (steps,):
        for number in range(1, 4):
            steps()
            until = time.monotonic() + 20
            while bar.done < number and time.monotonic() < until:
                time.sleep(0.001)
            assert bar.done == number


def test_steps_on_another_machine_count_once_their_piece_is_done():
    with showing(), progress("walking", total=5) as bar, stepping(bar, [2, 3]) as (one, other):
        elsewhere = Steps(Path("no such folder/steps"), other.piece, other.length)
        one()
        walk(elsewhere, 3)
        other.end()
    assert bar.done == 4


def test_nothing_is_counted_where_no_progress_is_shown():
    with progress("walking", total=2) as bar, stepping(bar, [2]) as (steps,):
        walk(steps, 2)
        assert steps.counts is None
    assert bar.done == 0
