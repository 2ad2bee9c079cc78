r"""Changes of a graph: the triples to add and to remove in one transaction, and what they change in the end.

In a file each line is ``+\thead\trelation\ttail`` or ``-\thead\trelation\ttail``, with tabs, or the same in JSON:
``{"op": "add", "head": "Rome", "relation": "in", "tail": "Italy"}``, with "remove" for the other, or
``{"add": ["Rome", "in", "Italy"]}``. Of lines about one triple the last counts. In a stream a
blank line ends a transaction.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Int64

from latticework.core.checks import set_frozen
from latticework.core.errors import InputError
from latticework.core.files import is_jsonl, read_lines, write_lines
from latticework.core.streams import stream_name
from latticework.core.values import read_object
from latticework.core.words import shortened
from latticework.knowledge.names import check_names
from latticework.knowledge.triples import NamedTriple, is_row

MAX_TRANSACTION: Final = 10_000_000  # lines; a stream without blank lines must not fill the memory
MAX_LINE: Final = 2**20  # characters of a line of a stream
_PARTS: Final = ("head", "relation", "tail")
_SIGNS: Final = {"+": "add", "-": "remove"}
_FORMS: Final = (
    '+ or -, head, relation and tail with tabs between them, or {"add": [head, relation, tail]} or {"remove": ...}'
)


@dataclass(frozen=True)
class Delta:
    """One transaction. What is removed is removed first, then what is added is added: a triple in both is there after.

    Parameters
    ----------
    add, remove
        (head, relation, tail) by name; one that is there twice counts once.
    undone
        Those of `remove` that the transaction itself had added before, so that it is no mistake if they are not in the
        graph.
    lines
        How many lines of its source have been read when it ends: where to go on from.

    Raises
    ------
    InputError
        If one is no triple of names; with its index.

    Examples
    --------
    >>> Delta(add=[("Rome", "in", "Italy"), ("Rome", "in", "Italy")])
    Delta(add=(('Rome', 'in', 'Italy'),), remove=(), undone=())
    """

    add: Sequence[NamedTriple] = ()  # tuples, whatever is given
    remove: Sequence[NamedTriple] = ()
    undone: Sequence[NamedTriple] = ()
    lines: int = field(default=0, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("add", "remove", "undone"):
            set_frozen(self, name, _distinct(getattr(self, name), name))

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


@dataclass(frozen=True, eq=False)
class Change:
    """What a transaction changed in the end, in the numbers of the new graph; all in ascending order."""

    added: Int64[np.ndarray, "added 3"]
    removed: Int64[np.ndarray, "removed 3"]
    new: Int64[np.ndarray, " new"]  # entities that are now in a triple and were in none
    gone: Int64[np.ndarray, " gone"]  # entities that were in a triple and are now in none
    new_relations: Int64[np.ndarray, " new_relations"]
    gone_relations: Int64[np.ndarray, " gone_relations"]

    def __bool__(self) -> bool:
        return bool(len(self.added) or len(self.removed))


def read_delta(path: str | os.PathLike[str]) -> Delta:
    r"""Read a file of changes, or standard input (``"-"``), as one transaction; blank lines are nothing.

    Raises
    ------
    InputError
        With file and line, if a line is in neither form.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "some.tsv"
    ...     _ = file.write_text('+\tRome\tin\tItaly\n{"remove": ["Rome", "in", "Gaul"]}\n')
    ...     read_delta(file)
    Delta(add=(('Rome', 'in', 'Italy'),), remove=(('Rome', 'in', 'Gaul'),), undone=())
    """
    name = stream_name(path)
    transaction = _Transaction()
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            transaction.take(*parse_change(line, f"{name}:{number}"))
    return transaction.delta()


def read_transactions(lines: Iterable[str], name: str, *, start: int = 0) -> Iterator[Delta]:
    r"""The transactions of a stream, each as soon as the blank line after it is there, the last one at the end.

    Lines are counted from `start` on.

    Raises
    ------
    InputError
        With file and line, if a line is in neither form, or longer than a million characters, or a transaction has
        more than ten million lines. What came before whole has then been given.

    Examples
    --------
    >>> for delta in read_transactions(["+\ta\tr\tb", "", "-\ta\tr\tb"], "some.tsv"):
    ...     print(delta.add, delta.remove, delta.lines)
    (('a', 'r', 'b'),) () 2
    () (('a', 'r', 'b'),) 3
    """
    transaction, number = _Transaction(), start
    for number, line in enumerate(lines, start=start + 1):
        place = f"{name}:{number}"
        if len(line) > MAX_LINE:
            raise InputError(f"{place}: the line is longer than {MAX_LINE:,} characters")
        if line.strip():
            transaction.take(*parse_change(line, place))
            if transaction.size > MAX_TRANSACTION:
                raise InputError(f"{place}: no blank line has ended the transaction after {MAX_TRANSACTION:,} lines")
        elif transaction.size:
            yield transaction.delta(number)
            transaction = _Transaction()
    if transaction.size:
        yield transaction.delta(number)


def parse_change(line: str, place: str) -> tuple[bool, NamedTriple]:
    r"""Whether a line adds, and which triple.

    Raises
    ------
    InputError
        If it is in neither form; `place` says where it is.

    Examples
    --------
    >>> parse_change("-\tRome\tin\tGaul", "some.tsv:1")
    (False, ('Rome', 'in', 'Gaul'))
    """
    if line.startswith("{"):
        operation, triple = _parse_json(line, place)
    elif line[:1] in _SIGNS:
        sign, *triple = line.split("\t")
        if len(sign) != 1 or len(triple) != 3:
            raise InputError(
                f"{place}: expected {line[0]}, head, relation and tail with tabs between, got {shortened(line)}"
            )
        operation = _SIGNS[sign]
    else:
        raise InputError(f"{place}: expected {_FORMS}; got {shortened(line)}")
    try:
        check_names(triple)
    except InputError as error:
        raise InputError(f"{place}: head, relation, tail: {error}") from error
    head, relation, tail = triple
    return operation == "add", (head, relation, tail)


def delta_lines(delta: Delta, *, jsonl: bool = False) -> Iterator[str]:
    r"""The lines of a file of which `read_delta` makes the same.

    Raises
    ------
    InputError
        If a name has a tab or a line end in it, and the lines are not to be JSON.

    Examples
    --------
    >>> list(delta_lines(Delta(add=[("Rome", "in", "Italy")])))
    ['+\tRome\tin\tItaly']
    """
    for sign, triples in (("+", delta.undone), ("-", delta.remove), ("+", delta.add)):
        for triple in triples:
            if jsonl:
                head, relation, tail = triple
                entry = {"op": _SIGNS[sign], "head": head, "relation": relation, "tail": tail}
                yield json.dumps(entry, ensure_ascii=False)
                continue
            line = "\t".join([sign, *triple])
            if line.count("\t") != 3 or any(mark in line for mark in "\n\r\0"):
                raise InputError(f"{shortened(triple, most=300)} has a tab, line end or NUL in it: write a .jsonl file")
            yield line


def write_delta(path: str | os.PathLike[str], delta: Delta) -> None:
    """Write a file of changes: JSON if its name says .jsonl or .json, compressed if .gz; ``"-"`` is standard output.

    Raises
    ------
    InputError
        As `delta_lines`, or if the file cannot be written.
    """
    write_lines(path, delta_lines(delta, jsonl=is_jsonl(path)))


class _Transaction:
    """Of every triple the first operation and the last: all that decides what it comes to."""

    def __init__(self) -> None:
        self._operations: dict[NamedTriple, tuple[bool, bool]] = {}
        self.size = 0

    def take(self, adds: bool, triple: NamedTriple) -> None:
        first, _ = self._operations.pop(triple, (adds, adds))
        self._operations[triple] = first, adds
        self.size += 1

    def delta(self, lines: int = 0) -> Delta:
        add = [triple for triple, (_, last) in self._operations.items() if last]
        remove = [triple for triple, (first, last) in self._operations.items() if not (first and last)]
        undone = [triple for triple, (first, last) in self._operations.items() if first and not last]
        return Delta(tuple(add), tuple(remove), tuple(undone), lines)


def _parse_json(line: str, place: str) -> tuple[str, list[Any]]:
    entry = read_object(line, place)
    given = [operation for operation in _SIGNS.values() if operation in entry]
    if "op" in entry and not given:
        missing = [key for key in _PARTS if key not in entry]
        if missing:
            raise InputError(f'{place}: there is no "{missing[0]}" in {shortened(line)}')
        if entry["op"] not in _SIGNS.values():
            raise InputError(f'{place}: "op" is {shortened(entry["op"])}, expected "add" or "remove"')
        return entry["op"], _texts([entry[key] for key in _PARTS], place)
    if len(given) != 1 or "op" in entry or not isinstance(entry[given[0]], list) or len(entry[given[0]]) != 3:
        raise InputError(f"{place}: expected {_FORMS}; got {shortened(line)}")
    return given[0], _texts(entry[given[0]], place)


def _texts(names: list[Any], place: str) -> list[Any]:
    """These three, each of which must be a text."""
    for key, name in zip(_PARTS, names, strict=True):
        if isinstance(name, dict | list):
            raise InputError(
                f'{place}: "{key}" is {"an object" if isinstance(name, dict) else "a list"}, expected text'
            )
        if not isinstance(name, str):
            shown = json.dumps(name)
            told = "expected text" if name is None else f'names are text, in quotes: "{shown}"'
            raise InputError(f'{place}: "{key}" is {shown}, {told}')
    return names


def _distinct(triples: Iterable[Any], name: str) -> tuple[NamedTriple, ...]:
    """The triples without repetition."""
    distinct: dict[NamedTriple, None] = {}
    for index, triple in enumerate(triples):
        if not is_row(triple):
            raise InputError(f"{name}[{index}]: {shortened(triple, most=300)} is not (head, relation, tail)")
        try:
            check_names(list(triple))
        except InputError as error:
            raise InputError(
                f"{name}[{index}]: {shortened(triple, most=300)} is not (head, relation, tail): {error}"
            ) from error
        distinct[(str(triple[0]), str(triple[1]), str(triple[2]))] = None
    return tuple(distinct)
