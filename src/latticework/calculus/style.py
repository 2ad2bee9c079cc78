"""How the pieces of a formula look, and how strongly each holds together."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

SUM, SIGNED, ELEMENTS, PRODUCT, POWER, CALL, SUBSCRIPTED, ATOM = range(8)
_LETTERS = (
    "alpha α, beta β, gamma γ, delta δ, epsilon ε, zeta ζ, eta η, theta θ, iota ι, kappa κ, lambda λ, mu μ, nu ν, "
    "xi ξ, pi π, rho ρ, sigma σ, tau τ, upsilon υ, phi φ, chi χ, psi ψ, omega ω, Gamma Γ, Delta Δ, Theta Θ, Lambda Λ, "
    "Xi Ξ, Pi Π, Sigma Σ, Upsilon Υ, Phi Φ, Psi Ψ, Omega Ω"
)
GREEK = dict(re.findall(r"(\w+) (\w)", _LETTERS))


class Style(ABC):
    """How the pieces of a formula look. What it is given is markup already, but for names, words and numbers."""

    @abstractmethod
    def letter(self, name: str, *, bold: bool) -> str:
        """The name of a variable: a letter, a Greek letter, or a word."""

    @abstractmethod
    def indices(self, letters: str) -> str:
        """The indices of an element."""

    @abstractmethod
    def number(self, digits: str) -> str:
        """A number without a sign."""

    @abstractmethod
    def word(self, name: str) -> str:
        """The name of a function."""

    @abstractmethod
    def symbol(self, sign: str) -> str:
        """A sign of an operation or a relation."""

    @abstractmethod
    def row(self, *parts: str) -> str:
        """One after the other."""

    @abstractmethod
    def times(self, *, apart: bool) -> str:
        """Between two factors that stand beside each other."""

    @abstractmethod
    def applied(self, function: str, argument: str) -> str:
        """A function and its argument in brackets."""

    @abstractmethod
    def fraction(self, above: str, below: str) -> str:
        """Something over something else."""

    @abstractmethod
    def scripts(self, base: str, below: str = "", above: str = "") -> str:
        """With a subscript, a superscript, or both."""

    @abstractmethod
    def fenced(self, opening: str, body: str, closing: str) -> str:
        """In brackets that are as tall as it."""

    @abstractmethod
    def root(self, body: str) -> str:
        """A square root."""

    @abstractmethod
    def blocks(self, rows: Sequence[Sequence[str]]) -> str:
        """A matrix of parts."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is written, how strongly it holds together, and what its neighbours need to know.

    Attributes
    ----------
    markup
        Of the piece.
    strength
        The higher, the fewer brackets.
    width
        About how many letters.
    unsigned
        The markup without its minus sign, if it begins with one.
    figure
        Whether it begins with a digit.
    word
        Whether it is a name of several letters.
    """

    markup: str
    strength: int
    width: int
    unsigned: str | None = None
    figure: bool = False
    word: bool = False


def kept(style: Style, piece: Piece, least: int) -> str:
    """A piece, in brackets if it does not hold together well enough."""
    return piece.markup if piece.strength >= least else style.fenced("(", piece.markup, ")")


def negative(style: Style, piece: Piece) -> Piece:
    """A piece with a minus sign before it."""
    body = kept(style, piece, ELEMENTS)
    return Piece(style.row(style.symbol("-"), body), SIGNED, piece.width + 1, unsigned=body)


def listed(style: Style, parts: Sequence[str]) -> str:
    """Parts with commas between."""
    return style.row(*between(parts, style.symbol(",")))


def between(parts: Sequence[str], separator: str) -> list[str]:
    """Parts with a separator between each two."""
    return [part for each in parts for part in (separator, each)][1:]
