"""The iterations of chains, counted while they run, each chain in a process of its own if asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

from latticework.core.parallel import workers
from latticework.core.progress import progress
from latticework.mediation.counting import Steps, stepping

_COUNTER: Final[ContextVar[Steps | None]] = ContextVar("_COUNTER", default=None)  # of the chain that runs


@dataclass(frozen=True)
class Length:
    """Iterations of a chain that are thrown away, and that are kept."""

    warmup: int
    draws: int

    def __len__(self) -> int:
        return self.warmup + self.draws

    def __iter__(self) -> Iterator[int]:
        """Iterations, below nought while warming up; each is counted once it is done."""
        count = _COUNTER.get()
        for iteration in range(-self.warmup, self.draws):
            yield iteration
            if count is not None:
                count()


class Task(Protocol):
    """A chain that can be run."""

    @property
    def length(self) -> Length:
        """Its iterations."""

    def __call__(self) -> Any:
        """Run it."""


def run(tasks: Sequence[Task], doing: str, n_jobs: int | None) -> list[Any]:
    """Run chains, one BLAS thread each; results in order.

    In processes, as joblib or its context (``parallel_config``) says; the same whatever their number.
    """
    from joblib import delayed

    lengths = [len(task.length) for task in tasks]
    with (
        progress(doing, total=sum(lengths), unit="iterations") as bar,
        stepping(bar, lengths) as counters,
        workers(n_jobs) as parallel,
    ):
        results = parallel(delayed(_alone)(task, counter) for task, counter in zip(tasks, counters, strict=True))
        done = []
        for counter, result in zip(counters, results, strict=True):
            done.append(result)
            counter.end()
        return done


def _alone(task: Task, counter: Steps) -> Any:
    token = _COUNTER.set(counter)
    try:
        with one_thread():
            return task()
    finally:
        _COUNTER.reset(token)


@contextmanager
def one_thread() -> Iterator[None]:
    """One BLAS thread: sums do not depend on how many there are, and chains do not fight over processors."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
