"""What the drivers share: how translating and training are timed, in every system alike.

A driver runs in its system's own environment, as `python -m benchmarks.peers.NAME_driver FOLDER TASK`. It reads what to
do from FOLDER, where `benchmarks.translation_peers` wrote it, and prints its figures as JSON on its last line. The
standard library is all that every environment has, so this module uses nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

Job = dict[str, Any]
JOB = "job.json"
WARM_UP = 64  # sentences at most of the call before the clock starts


class Translate(Protocol):
    """Text in, text out: one call of a system's own interface."""

    def __call__(self, sentences: list[str], *, beam: int, limit: int, whole: bool) -> list[str]:
        """Translate; no output has more than `limit` pieces, and with `whole` the system makes batches as it likes."""
        ...


def main(tasks: dict[str, Callable[[Path, Job], dict[str, Any]]]) -> None:
    """Do the task that the command line names, and print its figures."""
    folder = Path(sys.argv[1])
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    print(json.dumps(tasks[sys.argv[2]](folder, job)))


def time_decoding(job: Job, translate: Translate) -> dict[str, Any]:
    """Wall and processor seconds of each cell, and its translations.

    A cell is a number of sentences to a call, a beam, and how many sentences from the start of the file. The clock
    starts after one call that does not count.
    """
    found = {}
    for cell in job["cells"]:
        count = min(cell["sentences"], len(job["sentences"]))
        size = cell["batch"] or count
        options = {"beam": cell["beam"], "whole": cell["batch"] is None}
        calls = []
        for start in range(0, count, size):
            chosen = slice(start, min(start + size, count))
            calls.append((job["sentences"][chosen], max(job["pieces"][chosen]) + job["extra_length"]))
        translate(calls[0][0][:WARM_UP], limit=calls[0][1], **options)
        wall, cpu = time.perf_counter(), time.process_time()
        texts = [text for sentences, limit in calls for text in translate(sentences, limit=limit, **options)]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found[cell["name"]] = {"wall": wall, "cpu": cpu, "texts": texts}
    return found


class Steps:
    """Clocks at the start of every step of a training; those of the warm-up do not count.

    Training must go on until a step more than the warm-up and the steps that count has begun.
    """

    def __init__(self, job: Job) -> None:
        self.warm_up, self.counted = job["warm_up"], job["steps"]
        self.marks: list[tuple[float, float, int]] = []

    @property
    def total(self) -> int:
        """How many steps to train."""
        return self.warm_up + self.counted + 1

    def begin(self, tokens: int) -> None:
        """A step begins; so many target tokens were trained on before it."""
        self.marks.append((time.perf_counter(), time.process_time(), tokens))

    def figures(self) -> dict[str, float]:
        """Wall and processor seconds of the steps that count, and their target tokens."""
        first, last = self.marks[self.warm_up], self.marks[self.warm_up + self.counted]
        wall, cpu, tokens = (after - before for before, after in zip(first, last, strict=True))
        return {"wall": wall, "cpu": cpu, "tokens": tokens}
