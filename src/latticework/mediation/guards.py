"""What a study cannot be fitted with: missing values, lengths that differ, confounders that say the same twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from latticework.core.errors import InputError
from latticework.core.words import counted, listed, shortened

LARGEST: Final = 1e100  # squares of larger numbers are beyond float64
SMALLEST: Final = 1e-100  # spread: squares of smaller numbers are 0
_BLOCK: Final = 2**21  # values looked at at once: a mediator matrix may be mapped from a file
_SAME: Final = 1e-9  # of its length: what is left of a column that others reproduce
_SHARE: Final = 1e-6  # of a column: coefficients below it are not told


class Column(NamedTuple):
    """Numbers of one variable, its name, and the subjects that they came with."""

    values: Float[np.ndarray, " subjects"]
    name: str
    subjects: tuple[Any, ...] | None


def repeated(names: Iterable[str]) -> list[str]:
    """Those that are there more than once, in the order in which they come first."""
    return [name for name, times in Counter(names).items() if times > 1]


def is_labelled(values: object) -> bool:
    """Whether it is a Series or DataFrame of pandas'."""
    return hasattr(values, "to_numpy") and hasattr(values, "index")


def index_of(values: Any) -> tuple[Any, ...] | None:
    """The index of a Series or DataFrame."""
    return tuple(values.index.tolist()) if is_labelled(values) else None


def column(values: Any, what: str) -> Column:
    """Numbers, one a subject, from whatever holds them; booleans are 0 and 1.

    Raises
    ------
    InputError
        If they are no numbers, or not one a subject.
    """
    name = getattr(values, "name", None) if is_labelled(values) else None
    if is_labelled(values) and hasattr(values, "columns"):
        if len(values.columns) != 1:
            raise InputError(f"{what}: a table of {len(values.columns)} columns, expected one")
        name = values.columns[0]
    numbers = plain_numbers(values, what)
    if numbers.ndim == 2 and 1 in numbers.shape:
        numbers = numbers.reshape(-1)
    if numbers.ndim != 1:
        raise InputError(f"{what}: expected one number a subject, got {list(numbers.shape)}")
    return Column(numbers.astype(np.float64), what if name is None else str(name), index_of(values))


def plain_numbers(values: Any, what: str) -> Float[np.ndarray, "*shape"]:
    """An array of float32 or float64, without a copy where it is one.

    Raises
    ------
    InputError
        If they are texts, dates, complex numbers or other things.
    """
    array = values.to_numpy() if is_labelled(values) else values
    try:
        if isinstance(array, np.ma.MaskedArray) and array.dtype.kind in "biufO":  # what it marks is missing
            array = np.where(np.ma.getmaskarray(array), np.nan, array.data)
        array = np.asarray(array)
        if array.dtype.kind == "O" and not any(isinstance(value, str | bytes) for value in array.flat):
            array = np.array([_number(value) for value in array.flat]).reshape(array.shape)
    except (ValueError, TypeError) as error:
        raise InputError(f"{what}: expected numbers in rows of one length ({error})") from error
    if array.dtype.kind in "OUS":
        levels = sorted({str(value) for value in array.flat})
        if len(levels) == 2:
            raise InputError(
                f"{what}: two levels, {shortened(levels[0])} and {shortened(levels[1])}: code them as 0 and 1"
            )
        raise InputError(
            f"{what}: text, such as {listed(levels[:3])}: expected numbers; of categories choose two, coded as 0 and 1"
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what}: expected real numbers, got {array.dtype}")
    if array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    return array.astype(np.float32 if array.dtype == np.float16 else np.float64)


def check_finite(values: Float[np.ndarray, " subjects"], what: str, subjects: Sequence[str] | None) -> None:
    """Refuse what is missing or infinite.

    Raises
    ------
    InputError
        With the subject.
    """
    wrong = ~(np.abs(values) <= LARGEST)
    if wrong.any():
        first = int(wrong.argmax())
        more = f", and {int(wrong.sum()) - 1:,} more" if wrong.sum() > 1 else ""
        raise InputError(
            f"{what} is {values[first]} for {subject_told(first, subjects)}{more}: leave out subjects without a value"
        )


def subject_told(row: int, subjects: Sequence[str] | None) -> str:
    """A subject by its id, or by its row, counted from 0."""
    return f"subject {row}" if subjects is None else f"subject {shortened(subjects[row])}"


def check_design(
    exposure: Column, outcome: Column, confounders: Float[np.ndarray, "subjects confounders"], names: Sequence[str]
) -> None:
    """Refuse an exposure without a variance of its own, and confounders that others reproduce.

    Raises
    ------
    InputError
        With the names of the columns.
    """
    n, q = confounders.shape
    if n <= q + 2:
        raise InputError(
            f"{counted(n, 'subject')} and {counted(q, 'confounder')}: expected more than {q + 2} subjects, since the "
            "intercept, the exposure and each confounder take one"
        )
    for what, values in (("exposure", exposure), ("outcome", outcome)):
        if _is_constant(values.values):
            raise InputError(
                f"the {what} {shortened(values.name)} is {values.values[0]:g} for all subjects, expected it to vary"
            )
    before: list[int] = []
    for place, name in enumerate(names):
        if _is_constant(confounders[:, place]):
            raise InputError(
                f"the confounder {shortened(name)} is {confounders[0, place]:g} for all subjects: leave it out, the "
                "intercept is there already"
            )
        if (others := _reproduced_by(confounders[:, place], confounders[:, before])) is not None:
            told = " and ".join(shortened(names[before[other]]) for other in others)
            raise InputError(
                f"the confounder {shortened(name)} is what {told} and the intercept give: leave one of them out"
            )
        before.append(place)
    if (others := _reproduced_by(exposure.values, confounders)) is not None:
        told = " and ".join(shortened(names[other]) for other in others)
        raise InputError(
            f"the exposure {shortened(exposure.name)} is what the confounders {told} and the intercept give, so that "
            "its effect cannot be told from theirs: leave one of them out"
        )


def check_mediators(
    values: Float[np.ndarray, "subjects voxels"], subjects: Sequence[str] | None, where: Any
) -> Bool[np.ndarray, " voxels"]:
    """Refuse mediators that are missing or infinite, and say which voxels vary.

    Parameters
    ----------
    values
        They are looked at in one pass, some rows at a time.
    subjects
        Their ids, if they have any.
    where : callable
        Says where a voxel is, by its number.

    Raises
    ------
    InputError
        With the subject and the voxel.
    """
    low, high = np.array(values[0]), np.array(values[0])
    largest = LARGEST if values.dtype == np.float64 else np.finfo(values.dtype).max
    rows = max(1, _BLOCK // values.shape[1])
    same: list[int] = []
    for first in range(0, len(values), rows):
        block = values[first : first + rows]
        wrong = ~(np.abs(block) <= largest)
        if wrong.any():
            row, voxel = divmod(int(wrong.argmax()), values.shape[1])
            voxels = int(wrong[row].sum())
            raise InputError(
                f"the mediator of {subject_told(first + row, subjects)} at {where(voxel)} is {block[row, voxel]}, and "
                f"so at {counted(voxels, 'voxel')} of that subject: leave these out, with a mask, or the subject"
            )
        same += (first + np.flatnonzero(block.max(axis=1) == block.min(axis=1))).tolist()
        np.minimum(low, block.min(axis=0), out=low)
        np.maximum(high, block.max(axis=0), out=high)
    varies = np.asarray(high > low + SMALLEST)
    if same and values.shape[1] > 1 and varies.any():
        raise InputError(
            f"the image of {subject_told(same[0], subjects)} is {values[same[0], 0]:g} in every voxel: is it a map "
            "that failed? Leave the subject out"
        )
    return varies


def _number(value: Any) -> float:
    try:
        return float(value)
    except TypeError:  # None, or what pandas has for it
        return float("nan")


def _is_constant(values: Float[np.ndarray, " subjects"]) -> bool:
    return float(np.ptp(values)) <= max(1e-12 * float(np.abs(values).max()), SMALLEST)


def _reproduced_by(
    values: Float[np.ndarray, " subjects"], others: Float[np.ndarray, "subjects columns"]
) -> list[int] | None:
    """Which columns give the values, with an intercept; None if none do."""
    if not others.shape[1]:
        return None
    target, columns = _unit(values), np.apply_along_axis(_unit, 0, others)
    shares, *_ = np.linalg.lstsq(columns, target, rcond=None)
    if float(np.linalg.norm(target - columns @ shares)) > _SAME:
        return None
    return [place for place, share in enumerate(shares) if abs(share) > _SHARE]


def _unit(values: Float[np.ndarray, " subjects"]) -> Float[np.ndarray, " subjects"]:
    values = values / np.abs(values).max()
    centred = values - values.mean()
    return np.asarray(centred / np.linalg.norm(centred))
