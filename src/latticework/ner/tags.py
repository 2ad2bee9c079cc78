"""Tags and spans: the schemes BMES, BIOES and BIO, what is legal in each, and what becomes of tags that are not.

Entities are spans. Tags are BMES unless a scheme is said: S-X, or B-X, any number of M-X, and E-X, are an entity of
type X; O is outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from latticework.core.checks import one_of
from latticework.core.errors import InputError
from latticework.core.words import shortened
from latticework.ner.choices import Repair, Scheme

SCHEMES: Final[tuple[Scheme, ...]] = get_args(Scheme)
REPAIRS: Final[dict[Repair, str]] = {
    "close": "a piece that continues nothing begins an entity, one that is not ended ends where it stops",
    "drop": "pieces that make no legal entity count as outside",
    "refuse": "illegal tags are refused",
}
_PARTS: Final[dict[str, dict[str, str]]] = {
    "BMES": {"B": "B", "M": "M", "E": "E", "S": "S"},
    "BIOES": {"B": "B", "I": "M", "E": "E", "S": "S"},
    "BIO": {"B": "B", "I": "M"},
}
TAG: Final = rf"(O|[{''.join(sorted(set().union(*_PARTS.values())))}]-\S+)"  # in any scheme


class Span(NamedTuple):
    """An entity: the tokens from `start` up to, but without, `end`, and its type."""

    start: int
    end: int
    label: str


class _Reading(NamedTuple):
    spans: list[Span]
    legal: list[bool]
    faults: list[tuple[int, str]]


def guess_scheme(tags: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that the tags of a whole text are in.

    M- says BMES; I- beside E- or S- says BIOES; E- or S- alone say BMES, and so do tags that are all O; else it is BIO.

    Examples
    --------
    >>> guess_scheme([["B-LOC", "E-LOC"], ["B-ORG", "M-ORG", "E-ORG"]]), guess_scheme([["B-LOC", "I-LOC", "O"]])
    ('BMES', 'BIO')
    """
    parts = {str(tag).partition("-")[0] for tag in set().union(*tags)}
    if "M" in parts:
        return "BMES"
    if parts & {"E", "S"}:
        return "BIOES" if "I" in parts else "BMES"
    return "BIO" if parts & {"B", "I"} else "BMES"


def spans_of(tags: Sequence[str], scheme: Scheme = "BMES", *, repair: Repair = "close") -> list[Span]:
    """The entities that the tags of a sentence say, in order.

    Parameters
    ----------
    tags : sequence of str
        A tag a token.
    scheme : str
        One of `SCHEMES`.
    repair : str
        What becomes of illegal tags. "close": a piece that continues nothing begins an entity, and an entity that is
        not ended ends where it stops. "drop": only legal entities are given. "refuse": illegal tags are an error.

    Raises
    ------
    InputError
        If a tag is none of the scheme, or, with "refuse", is illegal where it stands.

    Examples
    --------
    >>> spans_of(["B-LOC", "E-LOC", "O", "S-PER"])
    [Span(start=0, end=2, label='LOC'), Span(start=3, end=4, label='PER')]
    >>> spans_of(["B-LOC", "M-LOC", "O"]), spans_of(["B-LOC", "M-LOC", "O"], repair="drop")
    ([Span(start=0, end=2, label='LOC')], [])
    """
    one_of("repair", repair, REPAIRS)
    reading = _read(tags, scheme)
    if repair == "refuse" and reading.faults:
        index, reason = reading.faults[0]
        raise InputError(f"tag {index}: {reason}")
    if repair == "drop":
        return [span for span, legal in zip(reading.spans, reading.legal, strict=True) if legal]
    return reading.spans


def faults(
    tags: Sequence[str], scheme: Scheme = "BMES", *, place: Callable[[int], str] = "tag {}".format
) -> list[tuple[int, str]]:
    """Index of every tag that is illegal where it stands, and why.

    Raises
    ------
    InputError
        If a tag is none of the scheme; `place` says, given its index, what the message calls it.

    Examples
    --------
    >>> faults(["O", "M-ORG", "E-ORG", "B-LOC", "O"])
    [(1, 'M-ORG continues no entity'), (3, 'B-LOC is not followed by M-LOC or E-LOC')]
    """
    return _read(tags, scheme, place).faults


def _read(tags: Sequence[str], scheme: Scheme, place: Callable[[int], str] = "tag {}".format) -> _Reading:
    found = _Reading([], [], [])
    start, label, begun = -1, "", False  # of the entity that is open; -1 if none is

    def close(end: int, *, ended: bool) -> None:
        found.spans.append(Span(start, end, label))
        found.legal.append(begun and ended)
        if not ended and [index for index, _ in found.faults[-1:]] != [end - 1]:  # one reason a tag is enough
            inside = "M" if scheme == "BMES" else "I"
            reason = f"{tags[end - 1]} is not followed by {inside}-{label} or E-{label}"
            found.faults.append((end - 1, reason))

    for index, (part, name) in enumerate(_parts(tags, scheme, place)):
        goes_on = start >= 0 and part in "ME" and name == label
        if start >= 0 and not goes_on:
            close(index, ended=scheme == "BIO")
            start = -1
        if part == "B" or part == "S":
            start, label, begun = index, name, True
        elif part != "O" and not goes_on:
            found.faults.append((index, f"{tags[index]} continues no entity"))
            start, label, begun = index, name, False
        if part == "E" or part == "S":
            close(index + 1, ended=True)
            start = -1
    if start >= 0:
        close(len(tags), ended=scheme == "BIO")
    return found


def _parts(tags: Sequence[str], scheme: Scheme, place: Callable[[int], str] = "tag {}".format) -> list[tuple[str, str]]:
    """Part (B, M, E, S or O, whatever the scheme calls it) and type of each tag."""
    one_of("scheme", scheme, SCHEMES)
    parts = _PARTS[scheme]
    found = []
    for index, tag in enumerate(tags):
        part, _, label = tag.partition("-") if isinstance(tag, str) else ("", "", "")
        if tag == "O":
            found.append(("O", ""))
        elif part in parts and label.strip():
            found.append((parts[part], label))
        else:
            expected = ", ".join(f"{letter}-TYPE" for letter in parts)
            raise InputError(f"{place(index)}: {shortened(tag)} is no {scheme} tag, expected O, {expected}")
    return found


def spans_as_published(tags: Sequence[str]) -> list[Span]:
    """The entities that the scorer of the paper's authors counts in BMES tags, for comparing with their numbers.

    It differs from `spans_of` on illegal tags only: an entity that is not ended runs on to just before the next B- or
    S-, or to the next E- of whatever type, and with none of them it is its first token alone; M- and E- without B- are
    nothing.

    Raises
    ------
    InputError
        If a tag is no BMES tag.

    Examples
    --------
    >>> spans_as_published(["B-ORG", "M-ORG", "O", "B-LOC", "E-LOC", "M-LOC"])
    [Span(start=0, end=3, label='ORG'), Span(start=3, end=5, label='LOC')]
    """
    spans: list[Span] = []
    start, label = -1, ""
    for index, (part, name) in enumerate(_parts(tags, "BMES")):
        if part in "MO":
            continue
        if start >= 0:
            spans.append(Span(start, index + 1 if part == "E" else index, label))
            start = -1
        if part == "B":
            start, label = index, name
        elif part == "S":
            spans.append(Span(index, index + 1, name))
    if start >= 0:
        spans.append(Span(start, start + 1, label))
    return spans


def check_spans(spans: Iterable[tuple[int, int, str]], length: int) -> list[Span]:
    """The entities of a sentence of that many tokens, from left to right.

    Raises
    ------
    InputError
        If a span is empty, ends outside the sentence, or shares a token with another.

    Examples
    --------
    >>> check_spans([(4, 5, "PER"), (0, 3, "ORG")], 5)
    [Span(start=0, end=3, label='ORG'), Span(start=4, end=5, label='PER')]
    """
    checked = sorted(map(Span._make, spans))
    reached, before = 0, ""
    for start, end, label in checked:
        described = f"the span {start}-{end} ({label})"
        if not 0 <= start < end <= length:
            raise InputError(f"{described} is empty or not within 0-{length}")
        if start < reached:
            raise InputError(f"{described} shares a token with {before}")
        reached, before = end, described
    return checked


def tags_of(spans: Iterable[tuple[int, int, str]], length: int, scheme: Scheme = "BMES") -> list[str]:
    """The tags of a sentence of that many tokens in which these are the entities, in any order.

    Raises
    ------
    InputError
        As `check_spans`.

    Examples
    --------
    >>> tags_of([(0, 3, "ORG"), (4, 5, "PER")], 5), tags_of([(1, 3, "LOC")], 3, "BIO")
    (['B-ORG', 'M-ORG', 'E-ORG', 'O', 'S-PER'], ['O', 'B-LOC', 'I-LOC'])
    """
    one_of("scheme", scheme, SCHEMES)
    inside = "M" if scheme == "BMES" else "I"
    tags = ["O"] * length
    for start, end, label in check_spans(spans, length):
        tags[start:end] = [f"B-{label}", *[f"{inside}-{label}"] * (end - start - 1)]
        if scheme != "BIO":
            tags[end - 1] = f"E-{label}" if end - start > 1 else f"S-{label}"
    return tags


def allowed(names: Sequence[str]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """What may follow what among BMES tags.

    Parameters
    ----------
    names : sequence of str
        The L tags that there are.

    Returns
    -------
    transitions : array of bool, shape (L, L)
        Whether the tag of the column may follow that of the row.
    begins, ends : arrays of bool, shape (L,)
        Whether a sentence may begin, or end, with it.

    Raises
    ------
    InputError
        If a name is no BMES tag.

    Examples
    --------
    >>> transitions, begins, ends = allowed(["O", "B-X", "E-X"])
    >>> transitions.astype(int)
    array([[1, 1, 0],
           [0, 0, 1],
           [1, 1, 0]])
    >>> begins, ends
    (array([ True,  True, False]), array([ True, False,  True]))
    """
    parts = _parts(names, "BMES")
    labels = np.array([label for _, label in parts], dtype=object)
    open_after = np.array([part in "BM" for part, _ in parts], dtype=np.bool_)
    open_before = np.array([part in "ME" for part, _ in parts], dtype=np.bool_)
    same = (labels[:, None] == labels[None, :]).astype(np.bool_)
    transitions = (open_after[:, None] == open_before[None, :]) & (same | ~open_after[:, None])
    return transitions, ~open_before, ~open_after
