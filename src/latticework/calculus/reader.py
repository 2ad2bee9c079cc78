"""What is at hand while an expression is read: the next token, the variables, and sizes that are not known yet.

Sizes that were not declared are unknowns, which every operation that needs two sizes to be equal may settle.
"""

from __future__ import annotations

import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from latticework.calculus.dimensions import Dim
from latticework.calculus.expression import Expr, make, variable, with_sizes
from latticework.calculus.tokens import Token, refused
from latticework.calculus.unification import Sizes
from latticework.core.errors import InputError

SIZE_NAMES = "nmpqrskl"
DEEPEST = 100  # brackets, signs and powers within each other


class Misfit(InputError):
    """Shapes do not fit; with other ranks of undeclared variables they may."""


class Reader(ABC):
    """Reads the tokens of one expression from left to right.

    Parameters
    ----------
    source, tokens
        The text, whole and in tokens.
    declared
        The shapes of variables.
    names_of_sizes
        Symbols that are sizes.
    ranks
        Of the variables that were not declared.
    """

    def __init__(
        self,
        source: str,
        tokens: list[Token],
        declared: Mapping[str, tuple[Dim, ...]],
        names_of_sizes: set[str],
        ranks: Mapping[str, int],
    ) -> None:
        self.source, self.tokens = source, tokens
        self.names_of_sizes = names_of_sizes
        self.sizes = Sizes()
        self.place, self.depth = 0, 0
        guessed = {name: tuple(self.sizes.new() for _ in range(rank)) for name, rank in ranks.items()}
        self.guessed = frozenset(guessed)
        self.variables = {name: variable(name, shape) for name, shape in {**declared, **guessed}.items()}
        self.taken = names_of_sizes | set(self.variables)

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.place]

    def size(self) -> Dim:
        """A size: everything up to the next `,`, `:`, `;` or closing bracket."""
        first = self.place
        while self.token.kind in ("number", "name") or self.token.text in ("+", "-", "*"):
            self.place += 1
        written = self.source[self.tokens[first].start : self.token.start]
        if not written.strip():
            raise self.refused("expected a size, such as 3 or n")
        try:
            size = Dim.parse(written)
        except InputError as error:
            raise self.refused(str(error), self.tokens[first].start) from None
        strange = sorted(size.symbols - self.names_of_sizes)
        if strange:
            known = ", ".join(sorted(self.names_of_sizes)) or "none is declared"
            raise self.refused(f"{strange[0]!r} is not a declared size ({known})", self.tokens[first].start)
        return size

    def expect(self, sign: str, opened: Token) -> None:
        """Go past a sign."""
        if self.token.text != sign:
            found = repr(self.token.text) if self.token.kind != "end" else "the end"
            raise self.refused(f"expected {sign!r} for the {opened.text!r} at column {opened.start + 1}, got {found}")
        self.place += 1

    def deeper(self) -> None:
        """One level deeper, if that is not too deep."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.refused(f"nested more than {DEEPEST} deep")

    def built(self, place: int, build: Callable[[], Expr]) -> Expr:
        """Build a node; what is wrong with it is wrong at `place`."""
        try:
            return build()
        except InputError as error:
            if "\n" in str(error):
                raise
            raise self.misfit(str(error), place) from None

    def make(self, place: int, op: str, *args: Expr, data: object = None) -> Expr:
        """The node of an operation at `place`, whose operands may settle sizes."""
        return self.built(place, lambda: make(op, *args, data=data, match=self.sizes.match))

    def misfit(self, message: str, place: int) -> Misfit:
        """That shapes do not fit."""
        return Misfit(str(self.refused(message, place)))

    def refused(self, message: str, place: int | None = None) -> InputError:
        """What is wrong at `place`, or else at the next token."""
        return refused(_settled_text(message, self.sizes), self.source, self.token.start if place is None else place)

    def settled(self, result: Expr) -> Expr:
        """The expression with what was found out about sizes; the others get names."""
        free = (name for name in itertools.chain(SIZE_NAMES, (f"n{k}" for k in itertools.count(1))))
        names = {name: Dim.symbol(name) for name in self.names_of_sizes}
        for k in range(1, self.sizes.made + 1):
            for symbol in sorted(self.sizes.settled(Dim.symbol(f"?{k}")).symbols):
                if symbol.startswith("?") and symbol not in names:
                    names[symbol] = Dim.symbol(next(name for name in free if name not in self.taken))
        found = {f"?{k}": self.sizes.settled(Dim.symbol(f"?{k}")).replace(names) for k in range(1, self.sizes.made + 1)}
        try:
            return with_sizes(result, found) if found else result
        except InputError as error:
            raise self.misfit(str(error), 0) from None

    @abstractmethod
    def expression(self, least: int) -> Expr:
        """Read on, as long as operators bind more strongly than `least`."""


def _settled_text(message: str, sizes: Sizes) -> str:
    # An unknown size reads as '?' in a message; one that is known by now, as what it is.
    return re.sub(r"\?\d+", lambda match: str(sizes.settled(Dim.symbol(match[0]))).replace("?", "n"), message)
