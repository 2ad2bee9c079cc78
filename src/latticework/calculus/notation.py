"""Expressions as a mathematician writes them: what stands beside, above and below what, for LaTeX and MathML alike.

As in the paper, a vector is a bold letter and a matrix a plain one. A `Style` says how the pieces look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from latticework.calculus.atoms import ATOMS, range_of, size_of
from latticework.calculus.expression import Expr
from latticework.calculus.style import (
    ATOM,
    CALL,
    ELEMENTS,
    POWER,
    PRODUCT,
    SIGNED,
    SUBSCRIPTED,
    SUM,
    Piece,
    Style,
    between,
    kept,
    listed,
    negative,
)
from latticework.calculus.text import labels
from latticework.calculus.tree import order

SHORT = 12  # letters that still fit above a fraction line
_POWERED_INSIDE = frozenset(["sin", "cos", "tan", "sinh", "cosh", "tanh"])  # sin² x
_WORDS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_COMPARED = {">=": "≥", "<=": "≤", "==": "=", ">": ">", "<": "<"}


def written(root: Expr, style: Style) -> Piece:
    """The expression in a style."""
    writer = _Writer(style)
    for node in order(root):
        writer.pieces[node] = writer.write(node)
    return writer.pieces[root]


class _Writer:
    def __init__(self, style: Style) -> None:
        self.style = style
        self.pieces: dict[Expr, Piece] = {}

    def write(self, node: Expr) -> Piece:
        atom = ATOMS.get(node.op)
        if atom is not None:
            return atom(self.style, node)
        special = _SPECIAL.get(node.op)
        if special is not None:
            return special(self, node)
        return self.call(_WORDS.get(node.op, node.op), node)

    def call(self, name: str, node: Expr, *, below: str = "", above: str = "") -> Piece:
        """A function of the operands."""
        style, args = self.style, [self.pieces[arg] for arg in node.args]
        function = style.scripts(style.word(name), below, above)
        body = style.fenced("(", listed(self.style, [arg.markup for arg in args]), ")")
        return Piece(
            style.applied(function, body), POWER if above else CALL, len(name) + 2 + sum(arg.width for arg in args)
        )

    def held(self, node: Expr, least: int) -> str:
        """The piece of a node, in brackets if it does not hold together well enough."""
        return kept(self.style, self.pieces[node], least)

    def indexed(self, node: Expr) -> str:
        """The piece of a node that gets a subscript."""
        return self.held(node, ATOM if self.pieces[node].strength != CALL else CALL)

    def sum(self, node: Expr) -> Piece:
        pieces = [self.pieces[arg] for arg in node.args]
        parts = [kept(self.style, pieces[0], SUM)]
        for piece in pieces[1:]:
            if piece.unsigned is not None and piece.strength >= SIGNED:
                parts += [self.style.symbol("-"), piece.unsigned]
            else:
                parts += [self.style.symbol("+"), kept(self.style, piece, SIGNED)]
        return Piece(self.style.row(*parts), SUM, sum(piece.width + 3 for piece in pieces))

    def elements(self, node: Expr) -> Piece:
        return self._elements(node.args)

    def _elements(self, args: Sequence[Expr]) -> Piece:
        """Factors beside each other, arrays with ⊙ between them."""
        arrays = sum(arg.rank > 0 for arg in args)
        if len(args) == 1:
            return self.pieces[args[0]]
        parts: list[str] = []
        seen = 0
        for place, arg in enumerate(args):
            piece = self.pieces[arg]
            if place:
                dotted = arg.rank > 0 and seen > 0
                parts.append(self.style.symbol("⊙") if dotted else self._times(self.pieces[args[place - 1]], piece))
            seen += arg.rank > 0
            # Only where there is a single array may a matrix product stand without brackets.
            alone = arg.op == "mul" and (arrays == 1 if arg.rank else arrays == 0)
            parts.append(kept(self.style, piece, PRODUCT if alone else POWER))
        first = self.pieces[args[0]]
        strength = ELEMENTS if arrays > 1 else PRODUCT
        width = sum(self.pieces[arg].width + 1 for arg in args)
        return Piece(self.style.row(*parts), strength, width, figure=first.figure)

    def _times(self, left: Piece, right: Piece) -> str:
        if right.figure:
            return self.style.symbol("·")
        return self.style.times(apart=left.word or right.word)

    def product(self, node: Expr) -> Piece:
        pieces = [self.pieces[arg] for arg in node.args]
        first = pieces[0]
        signed = first.unsigned is not None and first.strength == SIGNED
        parts = [first.unsigned or "" if signed else kept(self.style, first, PRODUCT)]
        for left, right in pairwise(pieces):
            parts += [self._times(left, right), kept(self.style, right, POWER)]
        body = Piece(self.style.row(*parts), PRODUCT, sum(piece.width for piece in pieces), figure=first.figure)
        return negative(self.style, body) if signed else body

    def quotient(self, node: Expr) -> Piece:
        above, below = node.args
        over, under = self.pieces[above], self.pieces[below]
        if below.rank:
            sign = self.style.symbol("⊘")
            markup = self.style.row(kept(self.style, over, POWER), sign, kept(self.style, under, POWER))
            return Piece(markup, ELEMENTS, over.width + under.width + 1)
        factors = above.args if above.op == "had" else (above,)
        aside = [arg for arg in factors if arg.rank or arg.op == "mul"]
        if aside and over.width > SHORT:
            # Numbers stay on the fraction line, arrays and their products go to its right: they are what one looks for.
            scalars = [arg for arg in factors if arg not in aside]
            rest = self._elements(aside)
            top = self._elements(scalars).markup if scalars else self.style.number("1")
            fraction = self.style.fraction(top, under.markup)
            signed = rest.unsigned is not None and rest.strength == SIGNED
            body = rest.unsigned or "" if signed else kept(self.style, rest, ELEMENTS)
            markup = self.style.row(fraction, self.style.times(apart=rest.word), body)
            piece = Piece(markup, min(max(rest.strength, ELEMENTS), PRODUCT), over.width + under.width)
            return negative(self.style, piece) if signed else piece
        if over.unsigned is not None and over.strength == SIGNED:
            fraction = self.style.fraction(over.unsigned, under.markup)
            return negative(self.style, Piece(fraction, POWER, max(over.width, under.width)))
        return Piece(self.style.fraction(over.markup, under.markup), POWER, max(over.width, under.width))

    def power(self, node: Expr) -> Piece:
        base, exponent = node.args
        above = self.pieces[exponent].markup
        if base.op in _POWERED_INSIDE and not node.rank and exponent.op == "number" and exponent.data > 0:
            return self.call(base.op, base, above=above)
        if node.rank:
            above = self.style.row(self.style.symbol("⊙"), self.held(exponent, POWER))
        return Piece(self.style.scripts(self.held(base, SUBSCRIPTED), "", above), POWER, self.pieces[base].width + 1)

    def transposed(self, node: Expr) -> Piece:
        (arg,) = node.args
        if arg.op == "inv" and arg.rank:
            above = self.style.row(self.style.symbol("-"), self.style.symbol("⊤"))
            return self._raised(arg.args[0], above)
        return self._raised(arg, self.style.symbol("⊤"))

    def inverse(self, node: Expr) -> Piece:
        return self._raised(node.args[0], self.style.row(self.style.symbol("-"), self.style.number("1")))

    def _raised(self, base: Expr, above: str) -> Piece:
        return Piece(self.style.scripts(self.held(base, CALL), "", above), POWER, self.pieces[base].width + 1)

    def norm(self, node: Expr) -> Piece:
        (arg,) = node.args
        which = self.style.number(node.op[-1])
        if arg.rank == 2 and node.op == "norm2":
            which = self.style.letter("F", bold=False)
        body, width = self.pieces[arg].markup, self.pieces[arg].width + 2
        if arg.rank == 2 and node.op == "norm1":  # of its elements, which ‖X‖₁ is not
            body = self.style.applied(self.style.word("vec"), self.style.fenced("(", body, ")"))
        return Piece(self.style.scripts(self.style.fenced("‖", body, "‖"), which), SUBSCRIPTED, width)

    def absolute(self, node: Expr) -> Piece:
        piece = self.pieces[node.args[0]]
        return Piece(self.style.fenced("|", piece.markup, "|"), SUBSCRIPTED, piece.width + 2)

    def root(self, node: Expr) -> Piece:
        piece = self.pieces[node.args[0]]
        return Piece(self.style.root(piece.markup), POWER, piece.width + 1)

    def log_determinant(self, node: Expr) -> Piece:
        piece, style = self.pieces[node.args[0]], self.style
        inner = style.applied(style.word("det"), style.fenced("(", piece.markup, ")"))
        return Piece(style.applied(style.word("log"), style.fenced("|", inner, "|")), POWER, piece.width + 8)

    def compare(self, node: Expr) -> Piece:
        left, right = node.args
        parts = (self.held(left, SUM), self.style.symbol(_COMPARED[node.data]), self.held(right, SUM))
        width = self.pieces[left].width + self.pieces[right].width + 5
        return Piece(self.style.fenced("[ ", self.style.row(*parts), " ]"), SUBSCRIPTED, width)

    def kronecker(self, node: Expr) -> Piece:
        parts = [self.held(node.args[0], POWER), self.style.symbol("⊗"), self.held(node.args[1], POWER)]
        return Piece(self.style.row(*parts), ELEMENTS, sum(self.pieces[arg].width + 1 for arg in node.args))

    def reshaped(self, node: Expr) -> Piece:
        rows, columns = (size_of(self.style, size) for size in node.data)
        return self.call("reshape", node, below=self.style.row(rows, self.style.symbol("×"), columns))

    def stack(self, node: Expr) -> Piece:
        parts = [self.pieces[arg].markup for arg in node.args]
        rows = [[part] for part in parts] if node.data == 0 else [parts]
        return Piece(self.style.blocks(rows), ATOM, max(self.pieces[arg].width for arg in node.args) + 2)

    def index(self, node: Expr) -> Piece:
        places = listed(self.style, [range_of(self.style, spec) for spec in node.data])
        return Piece(
            self.style.scripts(self.indexed(node.args[0]), places),
            SUBSCRIPTED,
            self.pieces[node.args[0]].width + len(node.data),
        )

    def derivative(self, node: Expr) -> Piece:
        above, below = node.args
        d, piece = self.style.symbol("∂"), self.pieces[above]
        under = self.style.row(d, self.held(below, POWER))
        width = self.pieces[below].width + 1
        if piece.width <= SHORT:
            over = self.style.row(d, self.held(above, POWER))
            return Piece(self.style.fraction(over, under), POWER, max(width, piece.width + 1))
        rate = self.style.fraction(d, under)
        return Piece(self.style.row(rate, self.style.fenced("(", piece.markup, ")")), POWER, piece.width + 3)

    def contraction(self, node: Expr) -> Piece:
        pieces = [self.pieces[arg] for arg in node.args]
        body = listed(self.style, [piece.markup for piece in pieces])
        return Piece(self.style.fenced("⟨", body, "⟩"), ATOM, sum(piece.width + 2 for piece in pieces))

    def einsum(self, node: Expr) -> Piece:
        """A sum in index notation; in square brackets, with the indices that are left, if it is not a scalar."""
        inputs, output = node.data
        *named, out = labels((*inputs, output))
        summed = [label for label in dict.fromkeys("".join(named)) if label not in out]
        factors = []
        for arg, index in zip(node.args, named, strict=True):
            if arg.op == "ones" and (len(node.args) > 1 or out):
                continue
            base = self.style.letter("delta", bold=False) if arg.op == "eye" else self.indexed(arg)
            factors.append(self.style.scripts(base, self.style.indices(index)) if index else base)
        body = self.style.row(*between(factors or [self.style.number("1")], self.style.times(apart=False)))
        if summed:
            body = self.style.row(self.style.scripts(self.style.symbol("∑"), self.style.indices("".join(summed))), body)
        width = sum(self.pieces[arg].width + 2 for arg in node.args)
        if not out:
            return Piece(body, SUM if summed else PRODUCT, width)
        return Piece(self.style.scripts(self.style.fenced("[", body, "]"), self.style.indices(out)), SUBSCRIPTED, width)


_SPECIAL: dict[str, Callable[[_Writer, Expr], Piece]] = {
    "add": _Writer.sum,
    "neg": lambda writer, node: negative(writer.style, writer.pieces[node.args[0]]),
    "had": _Writer.elements,
    "mul": _Writer.product,
    "div": _Writer.quotient,
    "pow": _Writer.power,
    "T": _Writer.transposed,
    "inv": _Writer.inverse,
    "norm1": _Writer.norm,
    "norm2": _Writer.norm,
    "abs": _Writer.absolute,
    "sqrt": _Writer.root,
    "logdet": _Writer.log_determinant,
    "compare": _Writer.compare,
    "kron": _Writer.kronecker,
    "unvec": _Writer.reshaped,
    "stack": _Writer.stack,
    "index": _Writer.index,
    "maximum": lambda writer, node: writer.call("max", node),
    "minimum": lambda writer, node: writer.call("min", node),
    "deriv": _Writer.derivative,
    "contract": _Writer.contraction,
    "einsum": _Writer.einsum,
}
