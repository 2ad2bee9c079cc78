"""Triples, by name and by number: their columns, whether their numbers are in range, and the keys that sort them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from latticework.core.errors import InputError
from latticework.knowledge.names import Names, check_names

Side = Literal["head", "tail"]  # which end of a triple is asked for
SIDES: Final[tuple[Side, Side]] = ("head", "tail")
NamedTriple = tuple[str, str, str]
NamedTriples = Iterable[Sequence[str]] | Shaped[np.ndarray, "triples 3"]
NO_TRIPLES: Final = np.empty((0, 3), np.int64)
_LARGEST_KEY: Final = np.iinfo(np.int64).max


def is_row(row: object) -> bool:
    """Whether these are three values in an order.

    Examples
    --------
    >>> is_row(["Rome", "in", "Italy"]), is_row({"Rome", "in", "Italy"}), is_row("abc")
    (True, False, False)
    """
    return isinstance(row, (tuple, list, np.ndarray)) and len(row) == 3


def columns(triples: NamedTriples) -> tuple[list[str], list[str], list[str]]:
    """The heads, the relations and the tails of triples by name.

    Raises
    ------
    InputError
        If a row is not three names; with its index.

    Examples
    --------
    >>> columns([("Rome", "in", "Italy"), ("Oslo", "in", "Norway")])
    (['Rome', 'Oslo'], ['in', 'in'], ['Italy', 'Norway'])
    """
    rows = triples.tolist() if isinstance(triples, np.ndarray) else list(triples)
    if isinstance(triples, np.ndarray) and np.issubdtype(triples.dtype, np.integer):
        if triples.size and triples.shape[1:] != (3,):
            raise InputError(f"triples: an array of integers of shape {triples.shape}, expected (triples, 3)")
        rows = [[str(number) for number in row] for row in rows]
    if not set(map(type, rows)) <= {tuple, list} or not set(map(len, rows)) <= {3}:
        wrong = next((index for index, row in enumerate(rows) if not is_row(row)), None)
        if wrong is not None:
            raise InputError(f"triples[{wrong}]: {rows[wrong]!r} is not (head, relation, tail)")
    heads, relations, tails = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
    for place, column in (("head", heads), ("relation", relations), ("tail", tails)):
        try:
            check_names(column)
        except InputError as error:
            raise InputError(f"{place} of {str(error).replace('names', 'triples', 1)}") from error
    return heads, relations, tails


def named_triples(triples: Int64[np.ndarray, "n 3"], entities: Names, relations: Names) -> list[NamedTriple]:
    """Triples by number as names, in their order.

    Examples
    --------
    >>> named_triples(np.array([[0, 0, 1]]), Names(["Rome", "Italy"]), Names(["in"]))
    [('Rome', 'in', 'Italy')]
    """
    heads, kinds, tails = triples.T
    return list(zip(entities.named(heads), relations.named(kinds), entities.named(tails), strict=True))


def in_range(triples: Int64[np.ndarray, "n 3"], entities: int, relations: int) -> Bool[np.ndarray, " n"]:
    """Which triples have numbers of names alone.

    Examples
    --------
    >>> in_range(np.array([[0, 0, 1], [0, 1, 1], [-1, 0, 0]]), 2, 1).tolist()
    [True, False, False]
    """
    outside = (triples < 0) | (triples >= np.array([entities, relations, entities]))
    inside: Bool[np.ndarray, " n"] = np.logical_not(outside.any(axis=1))
    return inside


def check_range(triples: Int64[np.ndarray, "n 3"], entities: int, relations: int) -> None:
    """Check that all numbers are those of names.

    Raises
    ------
    InputError
        With the index of the first triple of which one is not.
    """
    valid = in_range(triples, entities, relations)
    if not valid.all():
        index = int(valid.argmin())
        raise InputError(
            f"triples[{index}] is {triples[index].tolist()}: expected (head, relation, tail) among "
            f"{entities} entities and {relations} relations"
        )


def triple_keys(triples: Int64[np.ndarray, "n 3"], entities: int, relations: int) -> Int64[np.ndarray, " n"]:
    """Triples as single numbers, (head · relations + relation) · entities + tail, in the same order.

    Raises
    ------
    InputError
        If there are so many names that the numbers do not fit 64 bits.

    Examples
    --------
    >>> triple_keys(np.array([[1, 0, 2]]), 3, 2).tolist()
    [8]
    """
    if entities * relations * entities > _LARGEST_KEY:
        raise InputError(f"{entities:,} entities and {relations:,} relations: too many for keys of 64 bits")
    heads, kinds, tails = triples.T
    keys: Int64[np.ndarray, " n"] = (heads * relations + kinds) * entities + tails
    return keys


def triples_of(keys: Int64[np.ndarray, " n"], entities: int, relations: int) -> Int64[np.ndarray, "n 3"]:
    """The triples that have those keys.

    Examples
    --------
    >>> triples_of(np.array([8]), 3, 2).tolist()
    [[1, 0, 2]]
    """
    if not len(keys):
        return NO_TRIPLES
    rest, tails = np.divmod(keys, entities)
    heads, kinds = np.divmod(rest, relations)
    return np.stack([heads, kinds, tails], axis=1)
