"""Whose the rows of arrays are: ids from indexes of pandas, which have to agree, and columns of confounders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from latticework.core.checks import in_order
from latticework.core.errors import InputError
from latticework.core.words import shortened
from latticework.mediation.guards import column, is_labelled, plain_numbers, repeated


def confounder_columns(values: Any, n: int) -> tuple[Float[np.ndarray, "subjects confounders"], tuple[str, ...]]:
    """Confounders as columns, and their names.

    Raises
    ------
    InputError
        If they are no numbers, or no columns of as many subjects.
    """
    if values is None:
        return np.empty((n, 0)), ()
    if is_labelled(values) and hasattr(values, "columns"):
        names = tuple(map(str, values.columns))
        check_distinct(names)
        columns = [
            column(values.iloc[:, place], f"the confounder {shortened(name)}").values
            for place, name in enumerate(names)
        ]
        return np.array(columns, dtype=np.float64).reshape(len(names), len(values)).T.copy(), names
    named = getattr(values, "name", None) if is_labelled(values) else None
    numbers = plain_numbers(values, "confounders").astype(np.float64)
    if numbers.ndim == 1 and numbers.size:
        numbers = numbers[:, None]
    if numbers.size == 0:
        return np.empty((n, 0)), ()
    if numbers.ndim != 2:
        raise InputError(f"confounders: expected [subjects, confounders], got {list(numbers.shape)}")
    if len(numbers) != n and numbers.shape[1] == n:
        raise InputError(f"confounders are {list(numbers.shape)} for {n} subjects: are they transposed?")
    names = tuple(f"confounder_{place}" for place in range(1, numbers.shape[1] + 1))
    return numbers, (str(named),) if named is not None and len(names) == 1 else names


def check_distinct(names: Sequence[str]) -> None:
    """Refuse confounders of which two have the same name.

    Raises
    ------
    InputError
        With the first of them.
    """
    if twice := repeated(names):
        raise InputError(f"two confounders have the same name, {shortened(twice[0])}")


def subject_ids(
    indexes: dict[str, tuple[Any, ...] | None], subjects: Sequence[object] | None
) -> tuple[str, ...] | None:
    """The ids, once all inputs that have some agree; None where they are but the numbers of rows.

    Raises
    ------
    InputError
        If they differ, in order too, one is there twice, or `subjects` has no order.
    """
    given = {what: index for what, index in indexes.items() if index is not None}
    if subjects is not None:
        told = tuple(map(str, in_order("subjects", subjects, "a list of ids")))
        for what, index in given.items():
            if index != tuple(range(len(index))):
                given[what] = tuple(map(str, index))
        given = {"subjects": told} | {what: index for what, index in given.items() if index != tuple(range(len(told)))}
    first = next(iter(given), None)
    if first is None:
        return None
    for what, index in given.items():
        if index == given[first]:
            continue
        if len(index) == len(given[first]) and sorted(map(str, index)) == sorted(map(str, given[first])):
            row = next(row for row, (one, other) in enumerate(zip(index, given[first], strict=True)) if one != other)
            raise InputError(
                f"{first} and {what} have the same subjects in another order, from row {row} on: bring them into one, "
                f"for example with .loc[{first}.index]"
            )
        here, there = set(given[first]), set(index)
        strange = next((one for one in index if one not in here), None)
        lacking = next((one for one in given[first] if one not in there), None)
        which = (
            f"{shortened(strange)} is in {what} alone"
            if strange is not None
            else f"{shortened(lacking)} is in {first} alone"
        )
        raise InputError(f"{first} and {what} have other subjects, {which}: nothing is aligned, select the same ones")
    index = given[first]
    if index == tuple(range(len(index))):
        return None
    ids = tuple(map(str, index))
    if twice := repeated(ids):
        raise InputError(f"subject {shortened(twice[0])} is there more than once: expected one row a subject")
    return ids
