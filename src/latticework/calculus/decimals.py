"""Numbers with a power of ten: which are written so."""

from __future__ import annotations

from fractions import Fraction

SMALL, LARGE = Fraction(1, 10**4), 10**16  # between them numbers have no power of ten, as those of Python
MOST_BITS = 1023  # of a fraction that is looked at


def scientific(value: Fraction | float) -> tuple[str, int] | None:
    """The digits and the exponent of a positive number, if it is shorter with a power of ten.

    Examples
    --------
    >>> scientific(Fraction(1, 4_000_000)), scientific(6.5e300)
    (('2.5', -7), ('6.5', 300))
    >>> scientific(Fraction(1, 2**20)) is None and scientific(Fraction(1, 3 * 10**9)) is None
    True
    """
    if isinstance(value, float):
        digits, _, written = repr(value).partition("e")
        return (digits, int(written)) if written else None
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if SMALL <= value < LARGE or bits > MOST_BITS or not value:
        return None
    twos = (value.denominator & -value.denominator).bit_length() - 1
    fives, rest = 0, value.denominator >> twos
    while rest % 5 == 0:
        fives, rest = fives + 1, rest // 5
    if rest != 1:
        return None
    places = max(twos, fives)
    figures = str(value.numerator * 10**places // value.denominator)
    exponent, kept = len(figures) - 1 - places, figures.rstrip("0")
    digits = f"{kept[0]}.{kept[1:]}" if kept[1:] else kept
    return (digits, exponent) if len(f"{digits}e{exponent}") < len(str(value)) else None
