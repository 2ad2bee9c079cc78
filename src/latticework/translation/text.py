"""What users hand over as sentences and pairs, checked: text, in order, and a target for each source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from latticework.core import checks
from latticework.core.errors import InputError


def check_sentences(sentences: Iterable[str], name: str) -> list[str]:
    r"""Sentences as a list; line breaks within one become spaces, and one at its end, as of lines of a file, goes.

    Raises
    ------
    InputError
        If they are no list, and with the index, if one is not text or holds a NUL character or half a surrogate pair.

    Examples
    --------
    >>> check_sentences(["ein Haus\n", "zwei\nHäuser"], "source")
    ['ein Haus', 'zwei Häuser']
    """
    given = checks.in_order(name, sentences, "a list of sentences")
    return [check_sentence(sentence, f"{name}[{index}]") for index, sentence in enumerate(given)]


def check_sentence(sentence: object, place: str) -> str:
    """One sentence, on one line; `place` says where it is from.

    Raises
    ------
    InputError
        If it is not text or holds a NUL character or half a surrogate pair.
    """
    return str(on_one_line(checks.text(place, sentence)))


def on_one_line(text: str) -> str:
    r"""A text with spaces for the line breaks within it, and without one at its end.

    Examples
    --------
    >>> on_one_line("zwei\r\nHäuser\n")
    'zwei Häuser'
    """
    if "\n" in text or "\r" in text:
        text = text.removesuffix("\n").removesuffix("\r")
        text = text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    return text


def check_pairs(source: Iterable[str], target: Iterable[str], name: str) -> tuple[list[str], list[str]]:
    """Two sides of the same length.

    Raises
    ------
    InputError
        If they are not, or there are no pairs.
    """
    sources, targets = check_sentences(source, f"{name} source"), check_sentences(target, f"{name} target")
    if len(sources) != len(targets):
        raise InputError(f"{name}: {len(sources)} sources but {len(targets)} targets; each source needs one target")
    if not sources:
        raise InputError(f"{name}: there are no pairs")
    return sources, targets


def check_validation(validation: object) -> tuple[list[str], list[str]]:
    """The two sides of held-out data.

    Raises
    ------
    InputError
        If it is not a pair of lists of equal length.
    """
    if not isinstance(validation, Sequence) or isinstance(validation, str) or len(validation) != 2:
        raise InputError("validation: expected a pair of sources and targets")
    source, target = validation
    return check_pairs(source, target, "validation")
