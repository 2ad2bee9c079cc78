"""Text as tokens, and messages that point at the place in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from latticework.core.errors import InputError

MOST_TOKENS = 4_000  # names, numbers and signs
WINDOW = 64  # characters shown of a long expression

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d+\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<string>\"[A-Za-z,>-]*\")|(?P<sign>\.[*/^]|>=|<=|==|[-+*/^'()\[\];,:<>])",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A number, a name, a string, a sign or the end, and where it stands."""

    kind: str
    text: str
    start: int
    end: int


_HINTS = {
    "@": ": the matrix product is *",
    ".": ": the transpose is written x'",
    "|": ": write abs or norm2",
    "=": ": one expression is read, no equation",
    **dict.fromkeys("’‘′´`", ": the transpose is written x'"),  # what word processors and web pages make of it
    **dict.fromkeys("·×∙⋅", ": the matrix product is *"),
    "−": ": minus is -",
}


def tokenised(source: str) -> list[Token]:
    """The tokens of a text, and after them its end.

    Raises
    ------
    InputError
        If there is something in it that is no token.

    Examples
    --------
    >>> [token.text for token in tokenised("2*x'")]
    ['2', '*', 'x', "'", '']
    """
    tokens, place = [], 0
    while place < len(source):
        match = _TOKEN.match(source, place)
        if match is None:
            letter = ": names are of the letters A to Z and a to z, digits and _" if source[place].isalpha() else ""
            hint = _HINTS.get(source[place], letter)
            raise refused(f"unexpected {source[place]!r}{hint}", source, place)
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append(Token(kind, match[0], match.start(), match.end()))
        place = match.end()
    if len(tokens) > MOST_TOKENS:
        raise InputError(f"an expression has at most {MOST_TOKENS:,} names, numbers and signs, got {len(tokens):,}")
    return [*tokens, Token("end", "", len(source), len(source))]


def refused(message: str, source: str, place: int) -> InputError:
    """What is wrong with a text, and where."""
    first = max(0, min(place - WINDOW // 2, len(source) - WINDOW))
    shown = re.sub(r"\s", " ", source[first : first + WINDOW])
    dots = "..." if first else ""
    return InputError(f"{message}\n    {dots}{shown}\n    {' ' * (len(dots) + place - first)}^")
