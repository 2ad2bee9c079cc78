"""Words for what is told to people."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number and what is counted, in the singular if it is one.

    Parameters
    ----------
    number
        How many.
    one, many
        What they are; the plural has an s more if it is not given.

    Examples
    --------
    >>> counted(1, "fact"), counted(2500, "fact"), counted(0, "entity", "entities")
    ('1 fact', '2,500 facts', '0 entities')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def listed(names: Iterable[object], *, most: int = 5) -> str:
    """The first few of names, long ones cut, and how many more there are.

    Examples
    --------
    >>> listed("abc"), listed("abcdefg")
    ('a, b, c', 'a, b, c, d, e and 2 more')
    """
    every = [cut(str(name), 200) for name in names]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def shortened(value: object, *, most: int = 60) -> str:
    """A value as an error quotes it: its `repr`, cut where that is long, whatever it is and however large.

    Examples
    --------
    >>> shortened("Rome"), shortened("a" * 100, most=10)
    ("'Rome'", "'aaaaaaaaa...")
    >>> shortened(10**5000)  # of more digits than Python writes
    '<int that cannot be written>'
    """
    if type(value) in (str, bytes, list, tuple):
        value = value[: most + 1]  # type: ignore[index]  # the rest would be written for nothing
    elif type(value) is dict:
        value = dict(islice(value.items(), most + 1))
    try:
        written = repr(value)
    except Exception:  # the repr of whatever users hand over
        return f"<{type(value).__name__} that cannot be written>"
    return cut(written, most)


def cut(text: str, most: int) -> str:
    """A text as far as there is room."""
    return text if len(text) <= most else f"{text[:most]}..."
