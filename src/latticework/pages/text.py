"""Text from users made fit to show: what XML cannot carry is replaced, labels are cut, values get a format."""

import math
import re
from collections.abc import Sequence
from numbers import Integral, Real

from latticework.core.terminal import columns

MINUS = "\N{MINUS SIGN}"
# Controls (but tab and newline), halves of surrogate pairs and two non-characters: XML or UTF-8 refuse them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VISIBLE = str.maketrans({"\n": "↵", "\u2028": "↵", "\u2029": "↵", "\t": "⇥"})


def printable(text: str) -> str:
    r"""Replace what a page or a picture cannot carry by U+FFFD; line ends become newlines.

    Examples
    --------
    >>> printable("a\x00b\r\n")
    'a\ufffdb\n'
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def label(text: str, *, width: int) -> str:
    """Put a label on one line of at most `width` columns, with line ends and lone spaces visible.

    Examples
    --------
    >>> label("Donaudampfschifffahrtsgesellschaft", width=12)
    'Donaudampfs…'
    """
    text = printable(str(text)).translate(_VISIBLE)
    text = text if text.strip() else "␣" * len(text)
    if columns(text) <= width:
        return text
    used = 0
    for position, character in enumerate(text):
        used += columns(character)
        if used > width - 1:
            return text[:position] + "…"
    return text


def is_number(value: object) -> bool:
    """Whether a value is shown as a number: an int or a float, NumPy's included, but no bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def show(value: object) -> str:
    """Format a value for a reader: four significant digits, or all those before the point; None is a dash.

    Examples
    --------
    >>> show(60522496), show(0.123456), show(1234.5), show(None), show("as it is")
    ('60,522,496', '0.1235', '1,234', '–', 'as it is')
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral):
        text = f"{int(value):,}"
    else:
        size = abs(float(value))
        text = f"{float(value):,.0f}" if 1000 <= size < 1e15 and math.isfinite(size) else f"{float(value):.4g}"
    return text.replace("-", MINUS) if text.startswith("-") else text


def short(value: float) -> str:
    """Format a number with three significant digits.

    Examples
    --------
    >>> short(0.123456), short(-1234.5)
    ('0.123', '−1,230')
    """
    return show(float(f"{value:.3g}"))


def shown_apart(values: Sequence[float]) -> list[str]:
    """Format numbers as `show` does, with more digits if others would look the same.

    Examples
    --------
    >>> shown_apart([0.25, 3.5]), shown_apart([1450000.25, 1450000.5])
    (['0.25', '3.5'], ['1,450,000.2', '1,450,000.5'])
    """
    texts, digits = [show(float(value)) for value in values], 4
    while len(set(texts)) < len(set(values)) and digits < 17:
        digits += 1
        texts = [f"{float(value):,.{digits}g}".replace("-", MINUS) for value in values]
    return texts
