"""How the parts of `benchmarks.anomaly_speed` are run: how much is measured, and processes that work in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import measuring
from benchmarks.peers import timing

NAME = "anomaly_speed"
TIMEOUT = 7200
FAMILIES = ("superellipsoid", "tube", "rope", "ring", "foam", "dowel")


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    patches: int = 47_040  # that a coreset is chosen from: 60 pictures full of them
    channels: int = 120
    asked: int = 784  # patches whose nearest entry is asked for
    rounds: int = 15  # of what takes milliseconds, within a process
    images: int = 100  # of AUPRO
    side: int = 224  # pixels, of these and of synthetic parts
    families: tuple[str, ...] = FAMILIES
    good: int = 40  # parts that a detector learns
    good_test: int = 10
    per_defect: int = 2
    stored: int = 500  # parts that the fit whose memory is measured learns
    budget: int = 2**18  # bytes of features that a bank may hold in memory, where it is to use the disk


QUICK = Sizes(
    patches=1500,
    channels=24,
    asked=98,
    rounds=2,
    images=4,
    side=96,
    families=("ring",),
    good=6,
    good_test=1,
    per_defect=1,
    stored=8,
    budget=2**12,
)


@dataclass(frozen=True)
class Run:
    """What a part of the benchmark needs: a folder of its own, and how to start processes that work in it."""

    folder: Path
    threads: int
    repeats: int
    sizes: Sizes

    def write(self, **job: Any) -> None:
        """Say what is to be done."""
        job = {"threads": self.threads} | job
        (self.folder / timing.JOB).write_text(json.dumps(job), encoding="utf-8")

    def ours(self, task: str) -> measuring.Command:
        """A task of the benchmark."""
        return measuring.part_of(NAME, "--task", task, "--folder", self.folder)

    def theirs(self, peer: str, task: str, *, alone: Sequence[str] = ()) -> measuring.Command:
        """A task of a peer's driver, whose threads wait as they do by themselves."""
        return measuring.driver_of(peer, measuring.peer_environment(peer, alone=alone), self.folder, task)

    def one(self, task: str) -> measuring.Measured:
        """Do a task of the benchmark once."""
        return self.measured(self.ours(task))

    def measured(self, command: measuring.Command) -> measuring.Measured:
        """Run a command once."""
        return measuring.run_measured(command, measuring.environment(self.threads), TIMEOUT, cores=self.threads)

    def turns(
        self,
        commands: dict[str, measuring.Command],
        threads: int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        """What commands tell that take turns, on as many cores as threads, with some variables of the environment."""
        threads = threads or self.threads
        env = measuring.environment(threads) | {"TQDM_DISABLE": "1", **(variables or {})}
        runs = measuring.interleave(commands, env, TIMEOUT, self.repeats, cores=threads)
        return {name: [measured.output for measured in several] for name, several in runs.items()}


def set_threads(job: timing.Job) -> None:
    """As many as asked for, in this process."""
    import torch

    torch.set_num_threads(job["threads"])
