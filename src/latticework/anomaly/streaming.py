"""Many parts inspected one after the other, or on many processors and machines, in order and as they come."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol, TypeVar

from latticework.anomaly.found import Found
from latticework.anomaly.results import Inspection
from latticework.anomaly.samples import Sample
from latticework.anomaly.warned import Note, Once, noted
from latticework.core.errors import InputError

Part = Sample | Found | str | os.PathLike[str]
T = TypeVar("T", bound=Part)
Item = TypeVar("Item")

AT_ONCE: Final = 4  # parts that a worker takes at a time
AHEAD: Final = 8  # tasks of each worker that are done or waiting: bounds the results that nobody has asked for yet


class Inspector(Protocol):
    """What inspects a part: a fitted `M3DM`."""

    def inspect(self, part: Part) -> Inspection:
        """Say what is wrong with it."""
        ...


@dataclass(frozen=True, eq=False)
class _Shared:
    """A model on its way to workers.

    Dask keeps on each worker what is large, and sends with every task what is small; how large a model is, Python
    cannot tell from the outside.
    """

    model: Inspector

    def __sizeof__(self) -> int:
        return 2**20


def inspect_parts(
    model: Inspector, parts: Iterable[T], *, jobs: int | None = None
) -> Iterator[tuple[T, Inspection | InputError]]:
    """Inspect parts and give each with what was found, in their order, as soon as it is known.

    A part that cannot be read or judged comes with its error, and the others go on; of a folder list parts with
    ``read_folder(..., partners="reported")`` for that. What there is to warn of is said once, with the part that it was
    first seen in, and in the end, even an early one, of how many more it holds. Parts go through joblib: around the
    call, ``joblib.parallel_config(backend="dask")`` moves them to a cluster, whose workers must find the same files.
    Memory stays bounded, however many parts there are.

    Parameters
    ----------
    model
        A fitted `M3DM`.
    parts
        Samples, what `read_folder` lists, or paths; they may come from an iterator.
    jobs
        How many processes inspect (-1: one a processor); None is as many as `joblib.parallel_config` says, or else one,
        this one.

    Yields
    ------
    tuple
        The part, and its `Inspection` or the `InputError` that says what is wrong with its files.

    Examples
    --------
    >>> class Careful:
    ...     def inspect(self, part):
    ...         raise InputError(f"{part} cannot be read")
    >>> [(part, str(error)) for part, error in inspect_parts(Careful(), ["a.png", "b.png"])]
    [('a.png', 'a.png cannot be read'), ('b.png', 'b.png cannot be read')]
    """
    from joblib import Parallel, delayed, effective_n_jobs  # heavy, and needed for many parts alone

    workers = effective_n_jobs(jobs)
    tasks = _batches(parts, AT_ONCE if workers > 1 else 1)
    shared, work = _Shared(model), delayed(_inspect)
    with Once() as warned, Parallel(n_jobs=jobs, return_as="generator") as parallel:
        for wave in _batches(tasks, AHEAD * workers):
            for some, found in zip(wave, parallel(work(shared, some) for some in wave), strict=True):
                for part, (told, notes) in zip(some, found, strict=True):
                    for note in notes:
                        warned.add(*note)
                    yield part, told


def name_of(part: Part) -> str:
    """What a part is called before it is read.

    Examples
    --------
    >>> name_of("scans/007.png")
    '007'
    """
    if isinstance(part, Sample | Found):
        return part.name
    return os.path.splitext(os.path.basename(os.fspath(part)))[0]


def _inspect(shared: _Shared, parts: list[Part]) -> list[tuple[Inspection | InputError, list[Note]]]:
    found: list[tuple[Inspection | InputError, list[Note]]] = []
    for part in parts:
        with noted() as notes:
            try:
                told: Inspection | InputError = shared.model.inspect(part)
            except InputError as error:
                told = error
        found.append((told, notes))
    return found


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while some := list(islice(source, size)):
        yield some
