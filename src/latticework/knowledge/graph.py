"""A knowledge graph: distinct triples of numbered names, and what a transaction makes of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final, Literal, get_args

import numpy as np
from jaxtyping import Bool, Int64, Integer

from latticework.core.checks import one_of
from latticework.core.errors import InputError, callers_level
from latticework.core.words import listed
from latticework.knowledge.deltas import Change, Delta
from latticework.knowledge.keys import distinct, places_of
from latticework.knowledge.names import Names
from latticework.knowledge.triples import (
    NamedTriple,
    NamedTriples,
    check_range,
    columns,
    in_range,
    named_triples,
    triple_keys,
    triples_of,
)

Kind = Literal["entities", "relations"]
KINDS: Final[tuple[Kind, Kind]] = ("entities", "relations")
Missing = Literal["warn", "raise", "ignore"]


@dataclass(frozen=True, eq=False)
class Graph:
    """Triples (head, relation, tail) by number, distinct and in ascending order; made by `Graph.of`.

    Parameters
    ----------
    entities, relations
        The names, which may be more than the triples have: an entity that lost its last triple keeps its number.
    triples
        What `Graph.of_numbers` puts in order.

    Examples
    --------
    >>> graph = Graph.of([("Rome", "in", "Italy"), ("Milan", "in", "Italy")])
    >>> graph.triples.tolist(), graph.degrees.tolist()
    ([[0, 0, 1], [2, 0, 1]], [1, 2, 1])
    """

    entities: Names
    relations: Names
    triples: Int64[np.ndarray, "triples 3"]

    @staticmethod
    def of(triples: NamedTriples) -> Graph:
        """The graph of triples by name, numbered in the order in which each name comes first.

        Parameters
        ----------
        triples
            Rows of head, relation and tail. An array of integers has the decimal numbers for names. Those that are
            there twice count once.

        Raises
        ------
        InputError
            If a row is not three names; with its index.

        Examples
        --------
        >>> list(Graph.of([("Rome", "in", "Italy"), ("Rome", "in", "Italy")]).entities)
        ['Rome', 'Italy']
        """
        heads, relations, tails = columns(triples)
        return Graph.of_columns(heads, relations, tails)

    @staticmethod
    def of_columns(heads: Sequence[str], relations: Sequence[str], tails: Sequence[str]) -> Graph:
        """As `Graph.of`, of three columns of equal length, without a loop in Python.

        Examples
        --------
        >>> Graph.of_columns(["Rome"], ["in"], ["Italy"]).triples.tolist()
        [[0, 0, 1]]
        """
        entities = Names(dict.fromkeys(chain.from_iterable(zip(heads, tails, strict=True))))
        kinds = Names(dict.fromkeys(relations))
        numbers = [entities.numbers(heads), kinds.numbers(relations), entities.numbers(tails)]
        return Graph.of_numbers(np.stack(numbers, axis=1), entities, kinds)

    @staticmethod
    def of_numbers(triples: Integer[np.ndarray, "triples 3"], entities: Names, relations: Names) -> Graph:
        """The graph of triples by number, in any order and with repetitions.

        Raises
        ------
        InputError
            If these are not rows of three integers, a number is none of a name, or there are too many names for
            64-bit keys.

        Examples
        --------
        >>> Graph.of_numbers(np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0]]), Names("ab"), Names("r")).triples.tolist()
        [[0, 0, 1], [1, 0, 0]]
        """
        triples = np.asarray(triples)
        if triples.size and (triples.shape[1:] != (3,) or not np.issubdtype(triples.dtype, np.integer)):
            given = f"{triples.dtype} of shape {triples.shape}"
            raise InputError(f"triples: an array of {given}, expected integers of shape (triples, 3)")
        triples = triples.astype(np.int64, copy=False).reshape(-1, 3)
        check_range(triples, len(entities), len(relations))
        keys = distinct(triple_keys(triples, len(entities), len(relations)))
        return Graph(entities, relations, triples_of(keys, len(entities), len(relations)))

    def __len__(self) -> int:
        return len(self.triples)

    @cached_property
    def keys(self) -> Int64[np.ndarray, " triples"]:
        """The triples as single numbers, ascending (`triple_keys`)."""
        return triple_keys(self.triples, len(self.entities), len(self.relations))

    @cached_property
    def degrees(self) -> Int64[np.ndarray, " entities"]:
        """Of every entity the triples it is in; a self-loop counts once."""
        heads, _, tails = self.triples.T
        ends = np.concatenate([heads, tails[heads != tails]])
        return np.bincount(ends, minlength=len(self.entities))

    @cached_property
    def relation_counts(self) -> Int64[np.ndarray, " relations"]:
        """Of every relation the triples it is in."""
        return np.bincount(self.triples[:, 1], minlength=len(self.relations))

    @property
    def present(self) -> Bool[np.ndarray, " entities"]:
        """Of every entity whether it is in a triple."""
        return self.degrees > 0

    @property
    def relations_present(self) -> Bool[np.ndarray, " relations"]:
        """Of every relation whether it is in a triple."""
        return self.relation_counts > 0

    def contains(self, triples: Int64[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Of each triple whether it is in the graph; one with a number out of range is not. O(n log triples).

        Examples
        --------
        >>> Graph.of([("Rome", "in", "Italy")]).contains(np.array([[0, 0, 1], [1, 0, 0], [-1, 0, 0]])).tolist()
        [True, False, False]
        """
        sizes = len(self.entities), len(self.relations)
        return in_range(triples, *sizes) & (places_of(triple_keys(triples, *sizes), self.keys) >= 0)

    def entity(self, name: str) -> int:
        """The number of an entity.

        Raises
        ------
        InputError
            If it is unknown; with names that are near, or a word that it is a relation.

        Examples
        --------
        >>> Graph.of([("Rome", "in", "Italy")]).entity("Italy")
        1
        """
        if name not in self.entities and name in self.relations:
            raise InputError(f"{name!r} is a relation, expected an entity")
        return self.entities.number(name, what="entity")

    def relation(self, name: str) -> int:
        """The number of a relation; see `entity`."""
        if name not in self.relations and name in self.entities:
            raise InputError(f"{name!r} is an entity, expected a relation")
        return self.relations.number(name, what="relation")

    def numbered(self, triples: Sequence[NamedTriple]) -> Int64[np.ndarray, "n 3"]:
        """Triples by name as numbers, -1 for a name that is unknown.

        Examples
        --------
        >>> Graph.of([("Rome", "in", "Italy")]).numbered([("Paris", "in", "Italy")]).tolist()
        [[-1, 0, 1]]
        """
        heads, relations, tails = zip(*triples, strict=True) if triples else ((), (), ())
        numbers = [self.entities.numbers(heads), self.relations.numbers(relations), self.entities.numbers(tails)]
        return np.stack(numbers, axis=1)

    def named(self, triples: Int64[np.ndarray, "n 3"] | None = None) -> list[NamedTriple]:
        """Triples by number as names; without an argument all those of the graph, in their order.

        Examples
        --------
        >>> Graph.of([("Rome", "in", "Italy")]).named()
        [('Rome', 'in', 'Italy')]
        """
        return named_triples(self.triples if triples is None else triples, self.entities, self.relations)

    def apply(self, delta: Delta, *, missing: Missing = "warn") -> tuple[Graph, Change]:
        """The graph after a transaction, and what that changed. Names keep their numbers; new ones come after.

        Only names of triples that are added in the end are new, so that an addition undone within the transaction
        leaves nothing behind. Adding a triple that is there changes nothing.

        Parameters
        ----------
        delta
            What to add and to remove.
        missing
            What becomes of a triple to remove that is not in the graph: "warn" passes over it with a warning, "ignore"
            without, "raise" refuses the transaction.

        Raises
        ------
        InputError
            For ``missing="raise"``, if a triple to remove is not there.

        Examples
        --------
        >>> graph = Graph.of([("Rome", "in", "Italy"), ("Oslo", "in", "Norway")])
        >>> after, change = graph.apply(Delta(add=[("Milan", "in", "Italy")], remove=[("Oslo", "in", "Norway")]))
        >>> after.named(), after.entities.named(change.new), after.entities.named(change.gone)
        ([('Rome', 'in', 'Italy'), ('Milan', 'in', 'Italy')], ['Milan'], ['Oslo', 'Norway'])
        """
        one_of("missing", missing, get_args(Missing))
        self._check_missing(delta, missing)
        entities = self.entities.extended(name for head, _, tail in delta.add for name in (head, tail))
        relations = self.relations.extended(relation for _, relation, _ in delta.add)
        sizes = len(entities), len(relations)
        before = triple_keys(self.triples, *sizes)
        grown = Graph(entities, relations, self.triples)
        named = grown.numbered(delta.remove)
        to_remove = distinct(triple_keys(named[(named >= 0).all(axis=1)], *sizes))
        to_add = distinct(triple_keys(grown.numbered(delta.add), *sizes))
        added = to_add[places_of(to_add, before) < 0]
        removed = to_remove[(places_of(to_remove, before) >= 0) & (places_of(to_remove, to_add) < 0)]
        if not len(added) and not len(removed):
            return self, _change(self, self, added, removed)
        places = np.searchsorted(before, removed)
        kept, rows = np.delete(before, places), np.delete(self.triples, places, axis=0)
        after = Graph(
            entities,
            relations,
            np.insert(rows, np.searchsorted(kept, added), triples_of(added, *sizes), axis=0),
        )
        return after, _change(self, after, added, removed)

    def _check_missing(self, delta: Delta, missing: Missing) -> None:
        absent = ~self.contains(self.numbered(delta.remove))
        undone = set(delta.undone)
        wrong = [triple for triple, gone in zip(delta.remove, absent, strict=True) if gone and triple not in undone]
        if wrong and missing != "ignore":
            which = listed([repr(" ".join(triple)) for triple in wrong], most=1)
            told = f"cannot be removed, not in the graph: {which}"
            if missing == "raise":
                raise InputError(told)
            warnings.warn(told, stacklevel=callers_level())


def _change(
    before: Graph, after: Graph, added: Int64[np.ndarray, " added"], removed: Int64[np.ndarray, " removed"]
) -> Change:
    sizes = len(after.entities), len(after.relations)
    entities = _appeared_and_gone(before.degrees, after.degrees)
    relations = _appeared_and_gone(before.relation_counts, after.relation_counts)
    return Change(triples_of(added, *sizes), triples_of(removed, *sizes), *entities, *relations)


def _appeared_and_gone(
    before: Int64[np.ndarray, " known"], after: Int64[np.ndarray, " all"]
) -> tuple[Int64[np.ndarray, " new"], Int64[np.ndarray, " gone"]]:
    had = np.zeros(len(after), dtype=bool)
    had[: len(before)] = before > 0
    return np.flatnonzero(~had & (after > 0)), np.flatnonzero(had & (after == 0))
