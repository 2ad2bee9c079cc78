"""Words for what is told to people."""

from __future__ import annotations


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
