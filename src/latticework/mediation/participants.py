"""Who took part, and what is known of them; what is missing is never filled in."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final, get_args

import numpy as np
from jaxtyping import Float

from latticework.core.checks import one_of
from latticework.core.decimals import decimals, is_decimal
from latticework.core.errors import InputError, callers_level, require
from latticework.core.words import counted, listed, shortened
from latticework.mediation.choices import Missing
from latticework.mediation.guards import repeated
from latticework.mediation.subjects import check_distinct
from latticework.mediation.tables import MISSING, cell_text, read_table

_CATEGORIES: Final = re.compile(r"C\((.+)\)")  # as formulas have it


@dataclass(frozen=True, kw_only=True, eq=False)
class Participants:
    """Who took part, and what is known of them.

    Parameters
    ----------
    ids : tuple of str
        One a participant.
    exposure, outcome : float64 arrays of shape (subjects,)
        Their values.
    confounders : float64 array of shape (subjects, confounders)
        Categories are columns of 0 and 1, such as ``site=B``.
    exposure_name, outcome_name : str
        Names of columns.
    confounder_names : tuple of str
        One a column.
    left_out : tuple of str
        Ids of those left out, since a value was missing.
    """

    ids: tuple[str, ...]
    exposure: Float[np.ndarray, " subjects"]
    outcome: Float[np.ndarray, " subjects"]
    confounders: Float[np.ndarray, "subjects confounders"]
    exposure_name: str
    outcome_name: str
    confounder_names: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def participants(
    table: Any,
    *,
    exposure: str,
    outcome: str,
    confounders: Sequence[str] = (),
    id_column: str = "participant_id",
    missing: str = "error",
) -> Participants:
    """Take what a study needs from a table of participants.

    Parameters
    ----------
    table : path or pandas.DataFrame
        One row a participant.
    exposure, outcome : str
        Columns of numbers.
    confounders : sequence of str
        Columns of numbers, or of text: the first level of a text, by the alphabet, is the reference, and each other one
        a column such as ``site=B``. ``C(site)`` takes numbers for levels too.
    id_column : str
        The column of ids.
    missing : str
        ``"error"``, or ``"drop"``, which leaves out participants that lack a value, with a warning.

    Raises
    ------
    InputError
        If a column is not there or cannot be used, an id is missing or there twice, or a value is missing.

    Examples
    --------
    >>> import pandas
    >>> rows = pandas.DataFrame(
    ...     {"participant_id": ["a", "b", "c"], "dose": [0, 1, 2], "memory": [3, 2, 5], "site": ["B", "A", "B"]}
    ... )
    >>> study = participants(rows, exposure="dose", outcome="memory", confounders=["site"])
    >>> study.confounder_names, study.confounders.ravel().tolist()
    (('site=B',), [1.0, 0.0, 1.0])
    """
    pandas = require("pandas", extra="mediation", purpose="reading tables")
    one_of("missing", missing, get_args(Missing))
    where = "the table" if isinstance(table, pandas.DataFrame) else str(table)
    frame = table if isinstance(table, pandas.DataFrame) else read_table(table, id_column=id_column)
    if isinstance(confounders, str):
        confounders = (confounders,)
    forced = {match[1] for name in confounders if name not in frame.columns and (match := _CATEGORIES.fullmatch(name))}
    plain = [
        match[1] if (match := _CATEGORIES.fullmatch(name)) and match[1] in forced else name for name in confounders
    ]
    wanted = [id_column, exposure, outcome, *plain]
    for number, name in enumerate(wanted):
        more = "" if number else " id_column (--id-column) names the one of ids."
        _check_column(name, list(frame.columns), where, more)
    if twice := repeated(wanted):
        raise InputError(f"{shortened(twice[0])} is named twice among id, exposure, outcome and confounders")
    ids = _ids(frame[id_column].tolist(), where, id_column)
    frame = frame[wanted[1:]]
    lacking = frame.isna().to_numpy()
    complete = ~lacking.any(axis=1)
    left_out = tuple(compress(ids, ~complete))
    if left_out:
        columns = listed(compress(frame.columns, lacking.any(axis=0)))
        told = f"{where}: {counted(len(left_out), 'participant')} without a value in {columns}: {listed(left_out)}"
        if missing == "error":
            raise InputError(f"{told}. missing='drop' (--missing drop) leaves them out")
        warnings.warn(f"{told}: left out", stacklevel=callers_level())
        frame, ids = frame[complete], list(compress(ids, complete))
    if not ids:
        raise InputError(f"{where}: no participant has a value in every column")
    levels = [_confounder(frame[name], name, where, categorical=name in forced) for name in plain]
    names = tuple(name for some in levels for name in some)
    check_distinct(names)
    return Participants(
        ids=tuple(ids),
        exposure=_measured(frame[exposure], exposure, "exposure", where, ids),
        outcome=_measured(frame[outcome], outcome, "outcome", where, ids),
        confounders=np.array([column for some in levels for column in some.values()], dtype=np.float64)
        .reshape(-1, len(ids))
        .T.copy(),
        exposure_name=exposure,
        outcome_name=outcome,
        confounder_names=names,
        left_out=left_out,
    )


def _check_column(name: str, columns: list[Any], where: str, more: str) -> None:
    if columns.count(name) == 1:
        return
    if name in columns:
        raise InputError(f"{where}: two columns are named {shortened(name)}")
    near = difflib.get_close_matches(str(name), list(map(str, columns)), n=1)
    hint = f" Is {shortened(near[0])} meant?" if near else ""
    raise InputError(f"{where}: there is no column {shortened(name)}.{hint}{more} There are {listed(columns, most=50)}")


def _ids(values: list[Any], where: str, column: str) -> list[str]:
    ids = ["" if value is None or value != value else str(value).strip() for value in values]
    for row, one in enumerate(ids, 1):
        if one in MISSING:
            raise InputError(f"{where}: row {row} has no {column}")
    if twice := repeated(ids):
        told = listed(sorted(twice))
        raise InputError(f"{where}: {column} is there more than once: {told}. Expected one row a participant")
    return ids


def _is_number(column: Any) -> bool:
    return column.dtype.kind in "biuf"


def _measured(column: Any, name: str, what: str, where: str, ids: Sequence[str]) -> Float[np.ndarray, " subjects"]:
    if _is_number(column):
        return np.asarray(column.to_numpy(), dtype=np.float64)
    texts = [str(value) for value in column]
    levels = sorted(set(texts))
    told = f"{where}: the {what} {shortened(name)}"
    wrong = [(one, text) for one, text in zip(ids, texts, strict=True) if not is_decimal(text)]
    if not wrong:  # what was none was of a participant that was left out
        return decimals(texts)
    if len(levels) == 2:
        raise InputError(
            f"{told} holds text, {listed(levels)}: code it as 0 and 1, for example 1 for {shortened(levels[1])}"
        )
    if len(wrong) < len(texts):
        more = f", and text for {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        raise InputError(f"{told} is {shortened(wrong[0][1])} for {shortened(wrong[0][0])}{more}: expected numbers")
    hint = "expected numbers; of categories choose two, coded as 0 and 1"
    raise InputError(f"{told} holds text, such as {listed(levels[:3])}: {hint}")


def _confounder(column: Any, name: str, where: str, *, categorical: bool) -> dict[str, Float[np.ndarray, " subjects"]]:
    if _is_number(column) and not categorical:
        return {name: np.asarray(column.to_numpy(), dtype=np.float64)}
    texts = list(map(cell_text, column))
    levels = sorted(set(texts))
    if len(levels) == 1:
        raise InputError(
            f"{where}: the confounder {shortened(name)} is {shortened(levels[0])} for all participants: leave it out"
        )
    if len(levels) > len(texts) / 2 and len(levels) > 2:
        raise InputError(
            f"{where}: the confounder {shortened(name)} holds text with {len(levels)} levels among {len(texts)} "
            f"participants, such as {listed(levels[:3])}: expected numbers, or a few categories"
        )
    values = np.array(texts, dtype=object)
    return {f"{name}={level}": (values == level).astype(np.float64) for level in levels[1:]}
