"""Words for what is told to people."""

from __future__ import annotations

from collections.abc import Iterable


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
    """The first few of names, and how many more there are.

    Examples
    --------
    >>> listed("abc"), listed("abcdefg")
    ('a, b, c', 'a, b, c, d, e and 2 more')
    """
    every = [str(name) for name in names]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def shortened(value: object, *, most: int = 60) -> str:
    """A value as an error quotes it: its `repr`, cut where that is long.

    Examples
    --------
    >>> shortened("Rome"), shortened("a" * 100, most=10)
    ("'Rome'", "'aaaaaaaaa...")
    """
    written = repr(value)
    return written if len(written) <= most else f"{written[:most]}..."
