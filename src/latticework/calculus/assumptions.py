"""What a user may assume of variables: that a matrix is symmetric, that elements are positive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from latticework.core.errors import InputError
from latticework.core.words import cut, shortened

Assume = str | Iterable[str] | Mapping[str, str | Iterable[str]] | None
ASSUMPTIONS = ("symmetric", "positive")


def assumptions(assume: Assume) -> dict[str, set[str]]:
    """What is assumed of each variable.

    Raises
    ------
    InputError
        If something else is assumed than can be.

    Examples
    --------
    >>> assumptions("A symmetric, x positive")
    {'A': {'symmetric'}, 'x': {'positive'}}
    """
    pairs: list[tuple[Any, Any]] = []
    if assume is None:
        return {}
    given = list(assume.values()) if isinstance(assume, Mapping) else [assume]
    if not all(isinstance(what, Iterable) for what in given):
        raise InputError(f"assume: expected words such as 'A symmetric', got {assume!r:.60}")
    if isinstance(assume, Mapping):
        for name, what in assume.items():
            pairs.extend((name, word) for word in (what.replace(",", " ").split() if isinstance(what, str) else what))
    else:
        for phrase in assume.split(",") if isinstance(assume, str) else assume:
            words = str(phrase).replace(" is ", " ").split()
            if len(words) != 2:
                raise InputError(
                    f"assume: expected a variable and what it is, such as 'A symmetric', got {shortened(phrase)}"
                )
            turned = words[0] in ASSUMPTIONS and words[1] not in ASSUMPTIONS
            pairs.append((words[1], words[0]) if turned else (words[0], words[1]))
    found: dict[str, set[str]] = {}
    for name, word in pairs:
        if not isinstance(name, str):
            raise InputError(f"assume: the name of a variable is a text, got {name!r:.60}")
        if word not in ASSUMPTIONS:
            raise InputError(f"assume: expected {' or '.join(ASSUMPTIONS)} of {cut(name, 40)}, got {shortened(word)}")
        found.setdefault(name, set()).add(word)
    return found
