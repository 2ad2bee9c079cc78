"""Expressions as text that can be read again: the spelling of matrixcalculus.org."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from latticework.calculus.decimals import scientific
from latticework.calculus.dimensions import Dim
from latticework.calculus.tree import Tree, order

COMPARISON, SUM, SIGNED, PRODUCT, POWER, POSTFIX, ATOM = range(7)
Piece = tuple[str, int]  # what is written, and how strongly it holds together
LONGEST = 20_000  # characters of a part: twice what can be read again
HIDING = ("kron", "vec")  # operations whose sizes do not tell those of their operands
LABELS = "ijklmnopqrstuvwxyzabcdefghIJKLMNOPQRSTUVWXYZABCDEFGH"


def text(root: Tree) -> str:
    """The expression as a line of text.

    Examples
    --------
    >>> from latticework.calculus.expression import variable
    >>> X, w, y = variable("X", "N,n"), variable("w", "n"), variable("y", "N")
    >>> text(2 * (X.T @ (X @ w - y)))
    "2*X'*(X*w - y)"
    """
    return _piece(root)[0]


def factor(root: Tree) -> str:
    """The expression as a factor of a product, in brackets if it is a sum or a product itself.

    Examples
    --------
    >>> from latticework.calculus.expression import variable
    >>> x = variable("x")
    >>> factor(3 * x), factor(x**2)
    ('(3*x)', 'x^2')
    """
    return _held(_piece(root), POWER)


def described(root: Tree) -> str:
    """The expression and its shape, for a message.

    Examples
    --------
    >>> from latticework.calculus.expression import variable
    >>> described(variable("A", "m,n") @ variable("x", "n"))
    'A*x (vector of m)'
    """
    written = text(root)
    return f"{written if len(written) <= 60 else written[:57] + '...'} ({root.shape_text})"


def _piece(root: Tree) -> Piece:
    nodes = order(root)
    pieces: dict[Tree, Piece] = {}
    sized: dict[Tree, Piece] = {}
    # In kron(eye, vector(1)) and vec(x*vector(1)') are sizes that nothing around tells.
    hidden = any(node.op in HIDING for node in nodes)
    for node in nodes:
        args = [_shortened((sized if node.op in HIDING else pieces)[arg]) for arg in node.args]
        pieces[node] = _write(node, args)
        if hidden:
            sized[node] = _sized(node, [_shortened(sized[arg]) for arg in node.args]) or pieces[node]
    return pieces[root]


def _shortened(piece: Piece) -> Piece:
    """What is shared again and again would be written out at length."""
    return piece if len(piece[0]) <= LONGEST else ("...", ATOM)


def _sized(node: Tree, args: list[Piece]) -> Piece | None:
    """Constants, and products and sums of them, with their sizes."""
    if node.op == "eye":
        return f"eye({node.data})", ATOM
    if node.op in ("ones", "zeros") and node.rank <= 2:
        value = 1 if node.op == "ones" else 0
        return f"{('vector', 'matrix')[node.rank - 1]}({', '.join(map(str, (value, *node.shape)))})", ATOM
    return _write(node, args) if node.op in ("T", "neg", "had", "mul", "div", "add") else None


def range_text(spec: tuple[Dim, Dim | None] | None) -> str:
    """An index: `3`, `1:n` or `:`."""
    if spec is None:
        return ":"
    low, high = spec
    return str(low) if high is None else f"{low}:{high}"


def _write(node: Tree, args: list[Piece]) -> Piece:
    special = _SPECIAL.get(node.op)
    if special is not None:
        return special(node, args)
    return f"{node.op}({', '.join(arg for arg, _ in args)})", ATOM


def _held(piece: Piece, least: int) -> str:
    written, strength = piece
    return written if strength >= least else f"({written})"


def _number(node: Tree, _: list[Piece]) -> Piece:
    value = node.data
    short = scientific(abs(value))
    if short is not None:
        digits, exponent = short
        return f"{'-' if value < 0 else ''}{digits}e{exponent}", ATOM if value >= 0 else SIGNED
    if isinstance(value, Fraction) and value.denominator == 1:
        return str(value), ATOM if value >= 0 else SIGNED
    return str(value), PRODUCT if value >= 0 else SIGNED


def _sum(_: Tree, args: list[Piece]) -> Piece:
    written = _held(args[0], SUM)
    for arg in args[1:]:
        # What begins with a minus sign is subtracted.
        term = _held(arg, SIGNED)
        written += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
    return written, SUM


def _negative(_: Tree, args: list[Piece]) -> Piece:
    return f"-{_held(args[0], PRODUCT)}", SIGNED


def _elements(node: Tree, args: list[Piece]) -> Piece:
    written, arrays = "", 0
    for arg, piece in zip(node.args, args, strict=True):
        first, dotted = not arrays, bool(arg.rank and arrays)
        arrays += arg.rank > 0
        if not written:
            written = _held(piece, PRODUCT)
            continue
        # A matrix product may follow numbers, 2*A*x, but not an array: y .* A*x would be (y .* A)*x.
        alone = PRODUCT if first and arg.op == "mul" else POWER
        written += (" .* " if dotted else "*") + _held(piece, alone)
    return written, PRODUCT


def _product(_: Tree, args: list[Piece]) -> Piece:
    # What stands first may be a product itself: 2*X*w is (2*X)*w, and -X*w has its sign for all of it.
    first = args[0][0] if args[0][1] == SIGNED else _held(args[0], PRODUCT)
    written = "*".join([first, *(_held(arg, POWER) for arg in args[1:])])
    return written, SIGNED if first.startswith("-") else PRODUCT


def _quotient(node: Tree, args: list[Piece]) -> Piece:
    sign = "/" if node.args[1].rank == 0 else " ./ "
    return f"{_held(args[0], PRODUCT)}{sign}{_held(args[1], POWER)}", PRODUCT


def _power(node: Tree, args: list[Piece]) -> Piece:
    sign = "^" if node.rank == 0 else ".^"
    return f"{_held(args[0], POSTFIX)}{sign}{_held(args[1], POSTFIX)}", POWER


def _index(node: Tree, args: list[Piece]) -> Piece:
    return f"{_held(args[0], POSTFIX)}[{', '.join(map(range_text, node.data))}]", POSTFIX


def _constant(name: str) -> Callable[[Tree, list[Piece]], Piece]:
    def write(node: Tree, _: list[Piece]) -> Piece:
        return f"{('vector', 'matrix', 'tensor')[min(node.rank, 3) - 1]}({name})" if node.rank else name, ATOM

    return write


def labels(groups: tuple[tuple[int, ...], ...]) -> list[str]:
    """The labels of an einsum as letters."""
    names: dict[int, str] = {}
    for group in groups:
        for label in group:
            names.setdefault(label, LABELS[len(names)])
    return ["".join(names[label] for label in group) for group in groups]


def _einsum(node: Tree, args: list[Piece]) -> Piece:
    inputs, output = node.data
    *named, out = labels((*inputs, output))
    return f'einsum("{",".join(named)}->{out}", {", ".join(arg for arg, _ in args)})', ATOM


def _derivative(node: Tree, args: list[Piece]) -> Piece:
    above, below = (
        written if arg.op == "var" else f"({written})" for arg, (written, _) in zip(node.args, args, strict=True)
    )
    return f"d{above}/d{below}", POWER


def _contracted(_: Tree, args: list[Piece]) -> Piece:
    return f"<{args[0][0]}, {args[1][0]}>", ATOM


_SPECIAL: dict[str, Callable[[Tree, list[Piece]], Piece]] = {
    "var": lambda node, _: (node.data[0], ATOM),
    "number": _number,
    "pi": lambda *_: ("pi", ATOM),
    "size": lambda node, _: (str(node.data), ATOM if node.data.name or node.data.known is not None else SUM),
    "ones": _constant("1"),
    "zeros": _constant("0"),
    "eye": lambda *_: ("eye", ATOM),
    "unit": lambda node, _: (f"eye({node.data[0]})[:, {node.data[1]}]", POSTFIX),
    "embed": lambda node, _: (
        f"eye({node.data[0]})[:, {range_text((node.data[1], node.data[1] + node.data[2] - Dim.number(1)))}]",
        POSTFIX,
    ),
    "pairing": lambda node, _: (f"pairing({node.data[0]}, {node.data[1]})", ATOM),
    "add": _sum,
    "neg": _negative,
    "had": _elements,
    "mul": _product,
    "div": _quotient,
    "pow": _power,
    "T": lambda _, args: (f"{_held(args[0], POSTFIX)}'", POSTFIX),
    "compare": lambda node, args: (f" {node.data} ".join(_held(arg, SUM) for arg in args), COMPARISON),
    "maximum": lambda _, args: (f"max({args[0][0]}, {args[1][0]})", ATOM),
    "minimum": lambda _, args: (f"min({args[0][0]}, {args[1][0]})", ATOM),
    "unvec": lambda node, args: (f"reshape({args[0][0]}, {node.data[0]}, {node.data[1]})", ATOM),
    "stack": lambda node, args: (f"[{('; ', ', ')[node.data].join(arg for arg, _ in args)}]", ATOM),
    "index": _index,
    "einsum": _einsum,
    "deriv": _derivative,
    "contract": _contracted,
}
