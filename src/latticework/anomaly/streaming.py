"""Many parts worked on one after the other, or on many processors and machines, in order and as they come."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeVar

from latticework.anomaly.part_warnings import Note, Once, noted
from latticework.core.checks import n_jobs
from latticework.core.errors import InputError
from latticework.core.parallel import workers

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")
Told = tuple[Result | InputError, list[Note]]  # and what there was to warn of

AT_ONCE: Final = 4  # parts that a worker takes at a time
AHEAD: Final = 8  # tasks of each worker that are done or waiting: bounds the results that nobody has asked for yet


@dataclass(frozen=True, eq=False)
class _Shared(Generic[T, Result]):
    """What is done with parts, and the model that does it, on its way to workers.

    Dask keeps on each worker what is large, and sends with every task what is small; how large a model is, Python
    cannot tell from the outside.
    """

    work: Callable[[T], Result]

    def __sizeof__(self) -> int:
        return 2**20


def each(
    work: Callable[[T], Result],
    parts: Iterable[T],
    *,
    jobs: int | None = None,
    ahead: int = AHEAD,
    here: bool = False,
) -> Iterator[tuple[T, Result | InputError]]:
    """Do something with each part, and give it with what came of it, or the `InputError` that was raised.

    They come in their order, each as soon as it is known, and memory stays bounded. What there is to warn of is said
    once, with the part that it was first seen in, and in the end, even an early one, of how many more it holds.

    Parameters
    ----------
    work
        What is done; it travels to the workers.
    parts
        They may come from an iterator.
    jobs
        How many processes work (-1: one a processor); None is as many as `joblib.parallel_config` says, or else one,
        this one.
    ahead
        Tasks of each worker that are done or waiting.
    here
        In this process alone: for what is large, and fills the processors by itself.

    Examples
    --------
    >>> dict(each(len, ["a.png", "bc.png"]))
    {'a.png': 5, 'bc.png': 6}
    """
    tried = _here(work, parts) if here else _anywhere(work, parts, jobs, ahead)
    with Once() as warned, closing(tried):
        for part, (told, notes) in tried:
            for note in notes:
                warned.add(*note)
            yield part, told


def _here(work: Callable[[T], Result], parts: Iterable[T]) -> Generator[tuple[T, Told[Result]]]:
    for part in parts:
        yield part, _tried(work, part)


def _anywhere(
    work: Callable[[T], Result], parts: Iterable[T], jobs: int | None, ahead: int
) -> Generator[tuple[T, Told[Result]]]:
    from joblib import delayed, effective_n_jobs  # heavy, and needed for many parts alone

    many = effective_n_jobs(n_jobs("jobs", jobs))
    tasks = _batches(parts, AT_ONCE if many > 1 else 1)
    shared, task = _Shared(work), delayed(_all_tried)
    with workers(jobs) as parallel:
        for wave in _batches(tasks, ahead * many):
            for some, told in zip(wave, parallel(task(shared, some) for some in wave), strict=True):
                yield from zip(some, told, strict=True)


def _all_tried(shared: _Shared[T, Result], parts: list[T]) -> list[Told[Result]]:
    return [_tried(shared.work, part) for part in parts]


def _tried(work: Callable[[T], Result], part: T) -> Told[Result]:
    with noted() as notes:
        try:
            return work(part), notes
        except InputError as error:
            return error, notes


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while some := list(islice(source, size)):
        yield some
