"""JSON lines of named entities: a text and its entities a line, each with its place in the text.

What is written is ``{"text": ..., "entities": [[start, end, label], ...]}``, places counted in code points, `end`
exclusive. What is read may have "labels", "label" or "spans" for "entities", an entity may be an object with "start",
"end" (or "start_offset", "end_offset") and "label", and the entities may be ordered by type and wording with inclusive
ends, as in CLUENER: ``"label": {"name": {"王小明": [[0, 2]]}}``. An entity that is given twice counts once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, Final

from latticework.core import checks
from latticework.core.errors import InputError
from latticework.core.values import read_object, strict_json
from latticework.core.words import shortened
from latticework.ner.tagged import TaggedText
from latticework.ner.tags import Span
from latticework.ner.text import characters

_ENTITIES: Final = ("entities", "labels", "label", "spans")


def read_jsonl(lines: Iterable[str], name: str) -> TaggedText:
    """Read the lines of a file of that name; blank lines are nothing.

    Raises
    ------
    InputError
        With file and line, if one is no such object, or an entity is empty, not within the text, begins or ends with
        white space, or shares a character with another.

    Examples
    --------
    >>> read = read_jsonl(['{"text": "我 爱中国", "entities": [[3, 5, "LOC"]]}'], "some.jsonl")
    >>> read.sentences, read.tags_in()
    ([['我', '爱', '中', '国']], [['O', 'O', 'B-LOC', 'E-LOC']])
    """
    tagged = TaggedText("spans")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            place = f"{name}:{number}"
            entry = _entry(line, place)
            tokens, begins = characters(entry["text"])
            spans = _checked(_entities(entry, place), entry["text"], place)
            on_tokens = [
                (bisect_left(begins, start), bisect_left(begins, end), label)  # white space is no token
                for start, end, label in spans
            ]
            tagged.add(entry["text"], tokens, begins, on_tokens, place)
    return tagged


def text_of(line: str, place: str) -> str:
    """The text of a line, with or without entities.

    Raises
    ------
    InputError
        If it is not an object with a text.

    Examples
    --------
    >>> text_of('{"text": "中国"}', "some.jsonl:1")
    '中国'
    """
    text: str = _entry(line, place)["text"]
    return text


def jsonl_line(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """The line of a text with its entities, whose places are in the text.

    Examples
    --------
    >>> jsonl_line("我爱中国", [(2, 4, "LOC")])
    '{"text": "我爱中国", "entities": [[2, 4, "LOC"]]}'
    """
    entities = [[int(start), int(end), label] for start, end, label in spans]
    return strict_json({"text": text, "entities": entities})


def _entry(line: str, place: str) -> dict[str, Any]:
    entry = read_object(line, place)
    if not isinstance(entry.get("text"), str):
        raise InputError(f'{place}: expected an object with a text under "text"')
    checks.text(place, entry["text"])  # escapes such as \u0000 can spell what a file must not hold
    return entry


def _entities(entry: dict[str, Any], place: str) -> Iterator[Span]:
    key = next((key for key in _ENTITIES if key in entry), None)
    if key is None:
        raise InputError(f'{place}: no entities: expected a list under "entities", which may be empty')
    found = entry[key]
    if isinstance(found, dict):
        yield from _by_wording(found, entry["text"], place)
    elif isinstance(found, list):
        yield from (_entity(item, place) for item in found)
    else:
        raise InputError(f"{place}: {shortened(key)} is {shortened(found)}, expected a list")


def _entity(item: object, place: str) -> Span:
    values: object = item
    if isinstance(item, dict):
        start, end = (item.get(key, item.get(f"{key}_offset")) for key in ("start", "end"))
        values = [start, end, item.get("label")]
    if isinstance(values, list) and len(values) == 3:
        start, end, label = values
        if type(start) is type(end) is int and isinstance(label, str):
            return Span(start, end, _label(label, place))
    raise InputError(f"{place}: the entity {shortened(item)} is not [start, end, label]")


def _by_wording(types: dict[str, Any], text: str, place: str) -> Iterator[Span]:
    for label, wordings in types.items():
        for wording, occurrences in wordings.items() if isinstance(wordings, dict) else [("", wordings)]:
            for occurrence in occurrences if isinstance(occurrences, list) else [occurrences]:
                try:
                    start, last = occurrence
                    right = text[start : last + 1] == wording != ""
                except (TypeError, ValueError):
                    right = False
                if not right:
                    told = f"{shortened(wording)} ({shortened(label)})"
                    raise InputError(f"{place}: {shortened(occurrence)} is not where {told} first and last is")
                yield Span(start, last + 1, _label(label, place))


def _label(label: str, place: str) -> str:
    if not label or label != label.strip() or any(mark in label for mark in "\t\r\n"):
        raise InputError(f"{place}: {shortened(label)} cannot be the type of an entity")
    return checks.text(place, label)


def _checked(spans: Iterable[Span], text: str, place: str) -> list[Span]:
    checked = sorted(set(spans))
    reached, before = 0, ""
    for start, end, label in checked:
        described = f"the entity {shortened(start)}-{shortened(end)} ({shortened(label)})"
        if not 0 <= start < end <= len(text):
            raise InputError(f"{place}: {described} is empty or not within the text, which is 0-{len(text)}")
        if text[start].isspace() or text[end - 1].isspace():
            raise InputError(f"{place}: {described} begins or ends with white space: {shortened(text[start:end])}")
        if start < reached:
            raise InputError(f"{place}: {described} shares characters with {before}")
        reached, before = end, described
    return checked
