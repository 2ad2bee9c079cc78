"""What users hand over as triples: a graph to learn from, and held-out triples to judge by."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from latticework.core.errors import InputError, callers_level
from latticework.core.words import counted
from latticework.knowledge.choices import Part
from latticework.knowledge.graph import Graph
from latticework.knowledge.io.tables import columns_in_order
from latticework.knowledge.triples import NamedTriple, NamedTriples, columns

Triples = str | os.PathLike[str] | Graph | Iterable[Sequence[str]] | np.ndarray


def read_graph(triples: Triples, what: str = "triples") -> Graph:
    """The graph of triples in whatever form: a file or folder, a graph, rows of names, an array, a table.

    Raises
    ------
    InputError
        If they are none, or there is not one.

    Examples
    --------
    >>> len(read_graph([("Rome", "in", "Italy"), ("Rome", "in", "Italy")]))
    1
    """
    graph = _graph(triples, what)
    if not len(graph):
        raise InputError(f"{what}: there is not a single triple")
    _warn_if_swapped(graph, what)
    return graph


def _warn_if_swapped(graph: Graph, what: str) -> None:
    """Say so where the middle column looks like one of entities."""
    entities, relations = graph.entities, graph.relations
    if all(name.isdecimal() for name in relations):  # numbers of either begin at 0
        odd = len(relations) > len(entities)
        told = f"{len(relations):,} relations between {counted(len(entities), 'entity', 'entities')}"
    else:
        both = sum(name in entities for name in relations)
        odd = 2 * both > len(relations)
        told = f"{both:,} of {counted(len(relations), 'relation')} are names of entities too"
    if odd:
        warnings.warn(
            f"{what}: {told}; are columns swapped? The order is head, relation, tail", stacklevel=callers_level()
        )


def _rows(triples: Any) -> Any:
    """Of a table of pandas or polars the rows, its columns by name if these say what they are."""
    if not hasattr(triples, "to_numpy"):
        return triples
    order = columns_in_order([str(name) for name in getattr(triples, "columns", ())])
    rows = triples.to_numpy()
    return rows if order is None else rows[:, order]


def _graph(triples: Any, what: str) -> Graph:
    if isinstance(triples, Graph):
        return triples
    if isinstance(triples, str | os.PathLike):
        from latticework.knowledge.io import read_triples

        return read_triples(triples).graph
    triples = _rows(triples)
    _check_iterable(triples, what)
    try:
        return Graph.of(triples)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


def _check_iterable(triples: Any, what: str) -> None:
    if not isinstance(triples, Iterable):
        raise InputError(f"{what}: expected triples of names, or the name of a file, got {type(triples).__name__}")


def read_named(triples: Triples, what: str, part: Part = "train") -> list[NamedTriple]:
    """Triples by name, in the order given, repetitions kept; of a folder one part.

    Raises
    ------
    InputError
        If they are none, or a file or folder has not one.

    Examples
    --------
    >>> read_named([("Oslo", "in", "Norway"), ("Oslo", "in", "Norway")], "test")
    [('Oslo', 'in', 'Norway'), ('Oslo', 'in', 'Norway')]
    """
    if isinstance(triples, Graph):
        return triples.named()
    if isinstance(triples, str | os.PathLike):
        from latticework.knowledge.io.formats import read_rows

        return read_rows(triples, part)
    triples = cast("NamedTriples", _rows(triples))
    _check_iterable(triples, what)
    try:
        return list(zip(*columns(triples), strict=True))
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


def read_validation(triples: Triples | None) -> list[NamedTriple]:
    """Triples by name, each once, in one order whatever theirs; of a folder those to validate with; none of None."""
    return [] if triples is None else sorted(set(read_named(triples, "validation", "valid")))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Triples that a model is judged by, without those that would tell nothing.

    Attributes
    ----------
    triples
        By number.
    unknown
        How many name an entity or a relation that the graph does not have.
    leaked
        How many are in the graph.
    """

    triples: Int64[np.ndarray, "n 3"]
    unknown: int = 0
    leaked: int = 0

    @classmethod
    def of(cls, triples: Sequence[NamedTriple], graph: Graph) -> HeldOut:
        """Number held-out triples as a graph does, and leave out what it does not know or has itself.

        Examples
        --------
        >>> graph = Graph.of([("Rome", "in", "Italy")])
        >>> test = [("Rome", "in", "Italy"), ("Oslo", "in", "Norway"), ("Italy", "in", "Rome")]
        >>> held_out = HeldOut.of(test, graph)
        >>> held_out.triples.tolist(), held_out.unknown, held_out.leaked
        ([[1, 0, 0]], 1, 1)
        """
        numbers = graph.numbered(triples)
        known = (numbers >= 0).all(1)
        numbers = numbers[known]
        present = graph.present[numbers[:, [0, 2]]].all(1) & (graph.relation_counts[numbers[:, 1]] > 0)
        unknown = int((~known).sum() + (~present).sum())
        numbers = numbers[present]
        leaked = graph.contains(numbers)
        return cls(np.unique(numbers[~leaked], axis=0), unknown, int(leaked.sum()))

    def also_in(self, other: HeldOut) -> int:
        """How many of the triples another has too.

        Examples
        --------
        >>> one, other = HeldOut(np.array([[0, 0, 1], [1, 0, 0]])), HeldOut(np.array([[1, 0, 0]]))
        >>> one.also_in(other)
        1
        """
        both = np.concatenate([self.triples, other.triples])
        return len(both) - len(np.unique(both, axis=0))

    def warn(self, what: str) -> None:
        """Say which were left out."""
        if self.leaked:
            warnings.warn(
                f"{what}: in the graph and left out: {counted(self.leaked, 'fact')}", stacklevel=callers_level()
            )
        if self.unknown:
            told = f"{what}: names what the graph does not have and is left out: {counted(self.unknown, 'fact')}"
            warnings.warn(told, stacklevel=callers_level())
