"""Symbolic sizes of axes: polynomials with whole coefficients, such as `n`, `N`, `n + 1` or `m*n`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from latticework.core.errors import InputError

_SIZE = re.compile(r"\s*(?:(\d+)|([A-Za-z_]\w*)|([-+*]))")
MOST_DIGITS = 9
LONGEST = 200  # characters of a size


@dataclass(frozen=True, slots=True)
class Dim:
    """A size: monomials (sorted symbols) with their coefficients, in a fixed order, so that equal sizes are equal.

    Examples
    --------
    >>> n = Dim.symbol("n")
    >>> print(n + Dim.number(1), n * Dim.symbol("m"), n + n)
    n + 1 m*n 2*n
    >>> (n * n).value({"n": 3})
    9
    """

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @staticmethod
    def number(value: int) -> Dim:
        """A known size."""
        return Dim((((), value),) if value else ())

    @staticmethod
    def symbol(name: str) -> Dim:
        """A size known by its name alone."""
        return Dim((((name,), 1),))

    @staticmethod
    def sum(terms: Iterable[tuple[tuple[str, ...], int]]) -> Dim:
        """The sum of monomials that are all different."""
        return _canonical(dict(terms))

    @staticmethod
    def parse(text: str) -> Dim:
        """Read `n`, `3`, `n + 1` or `m*n`.

        Raises
        ------
        InputError
            If it is anything else.
        """
        total, product, place, expect_operand = Dim.number(0), Dim.number(1), 0, True
        text = text.strip()
        if len(text) > LONGEST:
            raise InputError(f"a size has at most {LONGEST} characters, got {text[:40]!r}...")
        while place < len(text):
            match = _SIZE.match(text, place)
            if match is None or (match[3] is None) != expect_operand:
                break
            if match[3] is None:
                if len(match[1] or "") > MOST_DIGITS:
                    break
                product = product * (Dim.number(int(match[1])) if match[1] else Dim.symbol(match[2]))
            elif match[3] in "+-":
                total, product = total + product, Dim.number(1 if match[3] == "+" else -1)
            place, expect_operand = match.end(), not expect_operand
        if expect_operand or place < len(text):
            raise InputError(f"a size is a name or a number, such as 'n', '3' or 'n + 1', got {text[:40]!r}")
        return total + product

    def __add__(self, other: Dim) -> Dim:
        sums = dict(self.terms)
        for symbols, coefficient in other.terms:
            sums[symbols] = sums.get(symbols, 0) + coefficient
        return _canonical(sums)

    def __sub__(self, other: Dim) -> Dim:
        return self + Dim(tuple((symbols, -coefficient) for symbols, coefficient in other.terms))

    def __mul__(self, other: Dim) -> Dim:
        sums: dict[tuple[str, ...], int] = {}
        for one, first in self.terms:
            for two, second in other.terms:
                symbols = tuple(sorted(one + two))
                sums[symbols] = sums.get(symbols, 0) + first * second
        return _canonical(sums)

    @property
    def known(self) -> int | None:
        """The number, if no symbol is part of it."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    @property
    def symbols(self) -> frozenset[str]:
        """The names it depends on."""
        return frozenset(name for symbols, _ in self.terms for name in symbols)

    @property
    def name(self) -> str | None:
        """The symbol, if it is nothing but one."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            return self.terms[0][0][0]
        return None

    def value(self, sizes: Mapping[str, int]) -> int:
        """The number for given sizes of the symbols."""
        total = 0
        for symbols, coefficient in self.terms:
            product = coefficient
            for name in symbols:
                product *= sizes[name]
            total += product
        return total

    def fits_in(self, other: Dim) -> bool:
        """Whether it is no larger than another whatever the sizes are, which are at least 1, as far as terms tell.

        Examples
        --------
        >>> n = Dim.symbol("n")
        >>> Dim.number(1).fits_in(n), n.fits_in(n + n), Dim.number(2).fits_in(n)
        (True, True, False)
        """
        more = (other - self).replace({name: Dim.symbol(name) + ONE for name in self.symbols | other.symbols})
        return all(coefficient > 0 for _, coefficient in more.terms)

    def replace(self, sizes: Mapping[str, Dim]) -> Dim:
        """The size with other sizes in the place of some symbols."""
        total = Dim.number(0)
        for symbols, coefficient in self.terms:
            product = Dim.number(coefficient)
            for name in symbols:
                product = product * sizes.get(name, Dim.symbol(name))
            total = total + product
        return total

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        text = ""
        for symbols, coefficient in self.terms:
            size = abs(coefficient)
            factors = [str(size)] if size != 1 or not symbols else []
            sign = "-" if coefficient < 0 else "+"
            text += (f" {sign} " if text else sign.strip("+")) + "*".join([*factors, *symbols])
        return text


ONE = Dim.number(1)


def declaration(text: str) -> tuple[Dim, ...]:
    """Read a declared shape: `"N,n"` for a matrix, `"n"` for a vector, `""` or `"scalar"` for a scalar.

    Raises
    ------
    InputError
        If it has more than two sizes, or one that cannot be read.

    Examples
    --------
    >>> [str(size) for size in declaration("N, n")]
    ['N', 'n']
    >>> declaration("scalar")
    ()
    """
    if text.strip() in ("", "scalar"):
        return ()
    sizes = tuple(Dim.parse(size) for size in text.split(","))
    if len(sizes) > 2:
        raise InputError(f"a shape has at most two sizes, got {text[:60]!r}")
    if any(size.known is not None and size.known < 1 for size in sizes):
        raise InputError(f"sizes are at least 1, got {text[:60]!r}")
    return sizes


def _canonical(sums: dict[tuple[str, ...], int]) -> Dim:
    # Symbols first, the number last: n + 1.
    kept = [(symbols, coefficient) for symbols, coefficient in sums.items() if coefficient]
    return Dim(tuple(sorted(kept, key=lambda term: (not term[0], term[0]))))
