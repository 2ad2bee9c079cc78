"""The names of entities or of relations, numbered; across updates the name is what counts, never the number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cached_property
from hashlib import blake2b
from itertools import count, islice
from typing import Final

import numpy as np
from jaxtyping import Int64, UInt64

from latticework.core.errors import InputError
from latticework.core.words import listed, shortened

_PLAIN: Final = {"\\": "\\", "n": "\n", "r": "\r", "0": "\0"}  # what follows a backslash, and what it stands for
_ESCAPED: Final = str.maketrans({plain: f"\\{letter}" for letter, plain in _PLAIN.items()})
_DIGEST_BYTES: Final = 8
_MOST_COMPARED: Final = 20_000  # names that are compared with a misspelt one
_NEAR: Final = 3  # of them told
_FEW: Final = 10  # names that are told all


class Names:
    """Distinct names with the numbers 0, 1, 2, ...; it never changes, and `extended` keeps the numbers there are.

    Parameters
    ----------
    names
        The names in the order of their numbers: any text but the empty one.

    Raises
    ------
    InputError
        If a name is empty, no text, not valid Unicode, or there twice; with its index.

    Examples
    --------
    >>> names = Names(["Rome", "Italy"])
    >>> len(names), names[1], "Rome" in names, list(names.extended(["Milan", "Rome"]))
    (2, 'Italy', True, ['Rome', 'Italy', 'Milan'])
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = list(names)
        check_names(self._names)
        self._numbers = dict(zip(self._names, count()))
        if len(self._numbers) < len(self._names):
            first = next(index for index, name in enumerate(self._names) if self._numbers[name] != index)
            raise InputError(f"names[{first}]: {shortened(self._names[first])} is there twice")

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, number: int) -> str:
        return self._names[number]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._numbers

    def __eq__(self, other: object) -> bool:
        return self._names == other._names if isinstance(other, Names) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self._names[:3]))
        return f"Names([{shown}{', ...' if len(self) > 3 else ''}], {len(self)} in all)"

    def named(self, numbers: Int64[np.ndarray, " n"] | Iterable[int]) -> list[str]:
        """The names that have those numbers.

        Examples
        --------
        >>> Names(["Rome", "Italy"]).named(np.array([1, 0, 1]))
        ['Italy', 'Rome', 'Italy']
        """
        plain = numbers.tolist() if isinstance(numbers, np.ndarray) else numbers
        return list(map(self._names.__getitem__, plain))

    def numbers(self, names: Sequence[str]) -> Int64[np.ndarray, " n"]:
        """The number of each name, -1 of one that is unknown.

        Examples
        --------
        >>> Names(["Rome", "Italy"]).numbers(["Italy", "Paris"]).tolist()
        [1, -1]
        """
        known = self._numbers
        return np.fromiter((known.get(name, -1) for name in names), np.int64, count=len(names))

    def number(self, name: str, *, what: str = "name") -> int:
        """The number of a name.

        Parameters
        ----------
        name
            The name.
        what
            What to call it in the error: "entity", "relation".

        Raises
        ------
        InputError
            If it is unknown; with names that are nearly the same, or all if there are few.

        Examples
        --------
        >>> Names(["Rome", "Italy"]).number("Roma", what="entity")
        Traceback (most recent call last):
            ...
        latticework.core.errors.InputError: there is no entity 'Roma'; near it are: 'Rome'
        """
        if name not in self:
            near = listed(map(shortened, self._near(name))) if isinstance(name, str) else ""
            told = f"; near it are: {near}" if near else ""
            if not near and 0 < len(self) <= _FEW:
                told = f"; all there are: {listed(map(shortened, self._names), most=_FEW)}"
            raise InputError(f"there is no {what} {shortened(name)}{told}")
        return self._numbers[name]

    def extended(self, new: Iterable[str]) -> Names:
        """These names and after them the new ones, in the order in which each comes first; known ones are passed over.

        Raises
        ------
        InputError
            As `Names`.

        Examples
        --------
        >>> list(Names(["Rome"]).extended(["Milan", "Rome", "Milan"]))
        ['Rome', 'Milan']
        """
        unknown = [name for name in dict.fromkeys(new) if name not in self._numbers]
        if not unknown:
            return self
        check_names(unknown)
        extended = Names()
        extended._names = self._names + unknown
        extended._numbers = self._numbers | dict(zip(unknown, count(len(self))))
        if "_digests" in vars(self):
            vars(extended)["_digests"] = np.concatenate([self._digests, _digests_of(unknown)])
        return extended

    def digests(self) -> UInt64[np.ndarray, " n"]:
        """Eight bytes of BLAKE2b of every name in UTF-8: an order that depends on nothing but the name.

        Examples
        --------
        >>> [hex(digest) for digest in Names(["Rome", "Italy"]).digests().tolist()]
        ['0xf0fe3aaa6d978d9c', '0x132fb0716a49bc31']
        """
        return self._digests

    @cached_property
    def _digests(self) -> UInt64[np.ndarray, " n"]:
        return _digests_of(self._names)

    def _near(self, name: str) -> list[str]:
        """A few names that are nearly this one, then such as it is a part of.

        Of many names only those that begin alike are compared.
        """
        wanted = _folded(name)
        start = wanted[:1]
        alike = (other for other in self._names if len(self) <= _MOST_COMPARED or _folded(other[:1]) == start)
        by_fold: dict[str, str] = {}
        for other in islice(alike, _MOST_COMPARED):
            by_fold.setdefault(_folded(other), other)
        near = get_close_matches(wanted, by_fold, n=_NEAR, cutoff=0.7)
        longer = (folded for folded in by_fold if wanted in folded and folded not in near)
        return [by_fold[folded] for folded in islice([*near, *(longer if wanted else ())], _NEAR)]


def check_names(names: Sequence[object]) -> None:
    """Check that each can be a name: a text that is not empty and is valid Unicode.

    Raises
    ------
    InputError
        With the index of the first that cannot.

    Examples
    --------
    >>> check_names(["Rome", ""])
    Traceback (most recent call last):
        ...
    latticework.core.errors.InputError: names[1]: '' cannot be a name: expected a text that is not empty
    """
    try:
        "".join(names).encode()  # type: ignore[arg-type]
        if all(names):
            return
    except (TypeError, UnicodeEncodeError):
        pass
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise InputError(f"names[{index}]: {shortened(name)} cannot be a name: expected a text that is not empty")
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"names[{index}]: {shortened(name)} is not valid Unicode (half of a surrogate pair)"
            ) from error


def _folded(name: str) -> str:
    return name.casefold().replace("_", " ")


def _digests_of(names: Iterable[str]) -> UInt64[np.ndarray, " n"]:
    joined = b"".join([blake2b(name.encode(), digest_size=_DIGEST_BYTES).digest() for name in names])
    return np.frombuffer(joined, "<u8").astype(np.uint64)


def to_lines(names: Iterable[str]) -> bytes:
    r"""A name a line; in it a backslash, a line feed, a carriage return and a NUL are written \\, \n, \r and \0.

    Examples
    --------
    >>> to_lines(["New York", "two\nlines"])
    b'New York\ntwo\\nlines\n'
    """
    return "".join(f"{name.translate(_ESCAPED)}\n" for name in names).encode()


def from_lines(data: bytes) -> list[str]:
    """The names that `to_lines` wrote.

    Raises
    ------
    UnicodeDecodeError
        If it is no text.
    """
    lines = data.decode().split("\n")[:-1]
    return [re.sub(r"\\(.)", lambda found: _PLAIN.get(found[1], found[0]), line) for line in lines]
