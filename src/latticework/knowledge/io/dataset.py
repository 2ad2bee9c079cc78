"""What readers give back: a graph with counts of what was left out, or the parts of a data set that share numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, count, islice
from sys import getsizeof
from typing import Final, TypeVar

import numpy as np
from jaxtyping import Int64

from latticework.core.errors import InputError
from latticework.core.words import counted
from latticework.knowledge.graph import Graph
from latticework.knowledge.names import Names

T = TypeVar("T")
Columns = tuple[Sequence[str], Sequence[str], Sequence[str]]  # heads, relations, tails

# What a small file says may be large: compressed text, or one value that stands for many rows.
MAX_TRIPLES: Final = 100_000_000  # of a file, repetitions too: 2.4 GB
MAX_NAME_BYTES: Final = 2**32  # of all names together: of short ones some thirty million
NAME_BYTES: Final = 80  # that a name takes besides itself, as a key and a place in a list
BATCH: Final = 65_536  # rows at a time
_BATCH_CHARACTERS: Final = 2**26  # of them


@dataclass(frozen=True, eq=False)
class Loaded:
    """A graph as it was read.

    Attributes
    ----------
    graph
        Its distinct triples.
    duplicates
        Triples that were there before in the same file.
    dropped
        How many triples a policy left out, by reason.

    Examples
    --------
    >>> loaded = Loaded(Graph.of([("Rome", "in", "Italy")]), duplicates=2, dropped={"literals": 1})
    >>> loaded.told()
    '1 triple of 2 entities and 1 relation; left out: 2 duplicates, 1 triple with literals'
    """

    graph: Graph
    duplicates: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    def told(self) -> str:
        """One line that says what is in the graph and what was left out."""
        sizes = int(self.graph.present.sum()), int(self.graph.relations_present.sum())
        entities, relations = counted(sizes[0], "entity", "entities"), counted(sizes[1], "relation")
        held = f"{counted(len(self.graph), 'triple')} of {entities} and {relations}"
        return held + told_left_out(self.dropped, self.duplicates)


def told_left_out(dropped: Mapping[str, int], duplicates: int = 0) -> str:
    """What was left out, as the end of a line; nothing if nothing was.

    Examples
    --------
    >>> told_left_out({"literals": 2, "blank nodes": 0})
    '; left out: 2 triples with literals'
    """
    left_out = [counted(duplicates, "duplicate")] if duplicates else []
    left_out += [f"{counted(number, 'triple')} with {reason}" for reason, number in dropped.items() if number]
    return f"; left out: {', '.join(left_out)}" if left_out else ""


@dataclass(frozen=True, eq=False)
class Splits:
    """A data set cut into parts whose triples share the same numbers; in the order of the files, repetitions kept.

    Entities that only `valid` or `test` have are numbered too: they are not `present` in the graph. `dropped` counts
    the triples that a policy left out, by reason.

    Examples
    --------
    >>> splits = Splits(Names("ab"), Names("r"), np.array([[0, 0, 1]]), np.array([[1, 0, 1]]), np.array([[0, 0, 1]]))
    >>> kept, leaked = splits.without_leaks()
    >>> len(kept.test), leaked
    (0, {'valid': 0, 'test': 1})
    """

    entities: Names
    relations: Names
    train: Int64[np.ndarray, "train 3"]
    valid: Int64[np.ndarray, "valid 3"]
    test: Int64[np.ndarray, "test 3"]
    dropped: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def graph(self) -> Graph:
        """The graph of what is to be learnt from."""
        return Graph.of_numbers(self.train, self.entities, self.relations)

    def without_leaks(self) -> tuple[Splits, dict[str, int]]:
        """The same without the triples of `valid` and `test` that are in `train`, and how many those were."""
        valid, test = self.graph.contains(self.valid), self.graph.contains(self.test)
        kept = replace(self, valid=self.valid[~valid], test=self.test[~test])
        return kept, {"valid": int(valid.sum()), "test": int(test.sum())}


class Builder:
    """Numbers the names of triples as they are read, in the order in which each comes first.

    Of triples it takes in `MAX_TRIPLES`, and names up to `MAX_NAME_BYTES`.

    Examples
    --------
    >>> builder = Builder()
    >>> builder.add(["Rome", "Milan"], ["in", "in"], ["Italy", "Italy"]).tolist()
    [[0, 0, 1], [2, 0, 1]]
    >>> list(builder.names()[0]), len(builder.triples())
    (['Rome', 'Italy', 'Milan'], 2)
    """

    def __init__(self) -> None:
        self._entities: defaultdict[str, int] = defaultdict(count().__next__)
        self._relations: defaultdict[str, int] = defaultdict(count().__next__)
        self._parts: list[Int64[np.ndarray, "part 3"]] = [np.empty((0, 3), dtype=np.int64)]
        self._triples = self._name_bytes = 0

    def add(self, heads: Sequence[str], relations: Sequence[str], tails: Sequence[str]) -> Int64[np.ndarray, "part 3"]:
        """Take in three columns, whose names must have been checked not to be empty; returned are their numbers.

        Raises
        ------
        InputError
            If there are more triples, or names, than are read.
        """
        self._triples += len(heads)
        if self._triples > MAX_TRIPLES:
            raise InputError(f"there are more than the {MAX_TRIPLES:,} triples that are read: give a part")
        known = len(self._entities), len(self._relations)
        triples = np.empty((len(heads), 3), dtype=np.int64)
        ends = map(self._entities.__getitem__, chain.from_iterable(zip(heads, tails, strict=True)))
        triples[:, ::2] = np.fromiter(ends, np.int64, count=2 * len(heads)).reshape(-1, 2)
        triples[:, 1] = np.fromiter(map(self._relations.__getitem__, relations), np.int64, count=len(relations))
        self._parts.append(triples)
        for names, before in zip((self._entities, self._relations), known, strict=True):
            new = len(names) - before
            self._name_bytes += NAME_BYTES * new + sum(map(getsizeof, islice(reversed(names), new)))
        if self._name_bytes > MAX_NAME_BYTES:
            raise InputError(f"the names take more than the {MAX_NAME_BYTES:,} bytes that are read: give a part")
        return triples

    def names(self) -> tuple[Names, Names]:
        """The entities and the relations so far."""
        return Names(self._entities), Names(self._relations)

    def triples(self) -> Int64[np.ndarray, "triples 3"]:
        """All that was taken in, in its order."""
        return np.concatenate(self._parts)


def batches(rows: Iterable[T], characters: Callable[[T], int]) -> Iterator[list[T]]:
    """Rows, some at a time: no more than `BATCH`, and fewer where they are long.

    Examples
    --------
    >>> [len(batch) for batch in batches(["x" * 2**25] * 5, len)]
    [2, 2, 1]
    """
    batch: list[T] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += characters(row)
        if len(batch) >= BATCH or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def loaded(
    triples: Int64[np.ndarray, "triples 3"],
    entities: Names,
    relations: Names,
    *,
    dropped: Mapping[str, int] | None = None,
) -> Loaded:
    """The graph of triples by number, with the count of those that are there again.

    Examples
    --------
    >>> loaded(np.array([[0, 0, 1], [0, 0, 1]]), Names("ab"), Names("r")).duplicates
    1
    """
    graph = Graph.of_numbers(triples, entities, relations)
    return Loaded(graph, len(triples) - len(graph), dict(dropped or {}))
