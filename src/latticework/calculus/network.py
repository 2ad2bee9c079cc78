"""Networks of factors, reduced label by label to one vector or matrix.

Labels are the points of a graph and matrices its lines; vectors sit on points. Two lines between the same points are
an element-wise product, a summed point with two lines is a matrix product, one with a single line a product with a
vector. Whatever is built from matrices by products, sums and diagonals is reduced so (a series-parallel graph).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from latticework.calculus import forms
from latticework.calculus.dimensions import ONE
from latticework.calculus.expression import UNIT, Expr, length, make, number
from latticework.calculus.factors import HIGHEST_POWER, magnitude, put
from latticework.calculus.labels import Index, Number, Units


@dataclass
class Line:
    """The element-wise product of matrices between two labels, as seen from the first."""

    ends: tuple[Index, Index]
    units: Units

    def other(self, label: Index) -> Index:
        """The label at the other end."""
        return self.ends[0] if self.ends[1] is label else self.ends[1]

    def matrix(self, first: Index) -> Expr:
        """As one matrix, whose rows are those of a label."""
        expr = forms.elements(self.units.items())
        assert expr is not None
        return expr if first is self.ends[0] else forms.transpose(expr)


@dataclass
class Network:
    """A product of scalars, of vectors at labels, and of matrices between labels."""

    scalars: Units = field(default_factory=dict)
    points: dict[Index, Units] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    coefficient: Number = Fraction(1)

    def scalar(self, expr: Expr, exponent: Number = Fraction(1)) -> None:
        """Multiply by a scalar."""
        whole = isinstance(exponent, Fraction) and exponent.denominator == 1
        small = whole and magnitude(exponent) <= HIGHEST_POWER
        if expr.op == "number" and small and (expr.data or exponent > 0):
            self.coefficient *= expr.data ** int(exponent)
            return
        if expr.op == "neg" and exponent == 1:
            self.coefficient *= -1
            expr = expr.args[0]
        if expr.op == "pow" and expr.args[1].op == "number" and exponent == 1:
            expr, exponent = expr.args[0], expr.args[1].data
        put(self.scalars, expr, exponent)

    def vector(self, label: Index, expr: Expr, exponent: Number = Fraction(1)) -> None:
        """Multiply by a vector on a label; its scalar factors go their own way."""
        if exponent == 1 and expr.op in ("had", "neg") and not expr.row:
            for arg in expr.args:
                if arg.rank:
                    self.vector(label, arg)
                else:
                    self.scalar(arg)
            if expr.op == "neg":
                self.coefficient *= -1
            return
        units = self.points.setdefault(label, {})
        if expr.op != "ones":
            put(units, forms.column(expr), exponent)

    def matrix(self, first: Index, second: Index, expr: Expr, exponent: Number = Fraction(1)) -> None:
        """Multiply by a matrix between two labels."""
        if first is second:
            self.vector(first, make("diag", expr), exponent)
            return
        for line in self.lines:
            if set(line.ends) == {first, second}:
                put(line.units, expr if line.ends[0] is first else forms.transpose(expr), exponent)
                if not line.units:
                    self.lines.remove(line)
                    for label in line.ends:  # which is summed over still
                        self.points.setdefault(label, {})
                return
        self.lines.append(Line((first, second), {expr: exponent}))

    def at(self, label: Index) -> list[Line]:
        """The matrices at a label."""
        return [line for line in self.lines if label in line.ends]


def reduced(network: Network, free: set[Index]) -> bool:
    """Carry out every sum; false if some label joins three matrices or more."""
    while True:
        labels = [*network.points, *(end for line in network.lines for end in line.ends)]
        summed = dict.fromkeys(label for label in labels if label not in free)
        if not summed:
            return True
        if not any(rule(network, label, free) for rule in (_alone, _beside, _between, _rowless) for label in summed):
            return False


def _alone(network: Network, label: Index, _: set[Index]) -> bool:
    """A label with vectors only: their sum is a scalar."""
    if network.at(label):
        return False
    units = network.points.pop(label)
    total = _total(units, label)
    network.scalar(*total) if isinstance(total, tuple) else network.scalar(total)
    return True


def _total(units: Units, label: Index) -> Expr | tuple[Expr, Number]:
    """The sum of the elements of a product of vectors."""
    if not units:
        return length(label.size)
    items = forms.where_positive(list(units.items()))
    if len(items) == 1:
        expr, exponent = items[0]
        if exponent == 2:
            return make("norm2", expr), Fraction(2)
        if exponent == 1:
            return _sum_of(expr)
    for place, (expr, exponent) in enumerate(items):
        if expr.op == "unit" and exponent == 1:
            rest = forms.elements(items[:place] + items[place + 1 :])
            assert rest is not None
            return make("index", rest, data=((expr.data[1], None),))
    # Two vectors have an inner product; of more, the last one with the product of the others.
    firsts = [item for item in items if item[1] > 0]
    if firsts and len(items) > 1:
        split = max(firsts, key=lambda item: (item[1] == 1, item[0].op == "mul", items.index(item)))
        others = forms.elements([item for item in items if item is not split])
        assert others is not None
        if split[1] == 1:
            return forms.dot(others, split[0])
    whole = forms.elements(items)
    assert whole is not None
    return make("sum", whole)


def _sum_of(expr: Expr) -> Expr:
    if expr.op == "add" and len(expr.args) == 2:
        for one, other in (expr.args, expr.args[::-1]):
            if other.op == "neg" and other.args[0].op == "mean" and other.args[0].args[0] is one:
                return number(0)  # the deviations from a mean
    if expr.op == "diag":
        return make("tr", expr.args[0])
    if expr.op == "softmax":
        return UNIT if expr.rank == 1 else make("size", data=expr.shape[0])
    if expr.op == "unit":
        return UNIT
    if expr.op == "rowsum":
        return make("sum", expr.args[0])
    if expr.op == "T" and expr.args[0].op == "colsum":
        return make("sum", expr.args[0].args[0])
    return make("sum", expr)


def _beside(network: Network, label: Index, _: set[Index]) -> bool:
    """A label with vectors and one matrix: their product is a vector."""
    lines = network.at(label)
    if len(lines) != 1 or not network.points.get(label):
        return False
    (line,) = lines
    other = line.other(label)
    vector = forms.elements(network.points.pop(label).items())
    assert vector is not None
    network.lines.remove(line)
    network.vector(other, _applied(line.matrix(other), vector))
    return True


def _applied(matrix: Expr, vector: Expr) -> Expr:
    """The product of a matrix and a column."""
    if vector.op == "unit":
        bare = matrix.args[0] if matrix.op == "T" else matrix
        place = (vector.data[1], None)
        if matrix.op == "T":
            return make("T", make("index", bare, data=(place, None)))
        return make("index", bare, data=(None, place))
    if matrix.op == "T" and matrix.args[0].op == "embed":
        _, low, length = matrix.args[0].data
        return make("index", vector, data=((low, low + length - ONE),))
    return forms.chained([matrix, vector])


def _between(network: Network, label: Index, _: set[Index]) -> bool:
    """A label with two matrices: their product is a matrix."""
    lines = network.at(label)
    if len(lines) != 2:
        return False
    first, last = lines
    left, right = (line.other(label) for line in lines)
    middle = forms.elements(network.points.pop(label, {}).items())
    one, two = first.matrix(left), last.matrix(label)
    network.lines.remove(first)
    network.lines.remove(last)
    scaling = [] if middle is None else [make("diag", middle)]
    joined = _joined(one, two) if middle is None else forms.chained([one, *scaling, two])
    network.matrix(left, right, joined)
    return True


def _joined(left: Expr, right: Expr) -> Expr:
    """The product of two matrices, of which one may select rows or columns of the other."""
    if right.op == "embed":
        _, low, length = right.data
        return make("index", left, data=(None, (low, low + length - ONE)))
    if left.op == "T" and left.args[0].op == "embed":
        _, low, length = left.args[0].data
        return make("index", right, data=((low, low + length - ONE), None))
    return forms.chained([left, right])


def _rowless(network: Network, label: Index, free: set[Index]) -> bool:
    """A label with one matrix and no vector: the sums of its rows or columns."""
    lines = network.at(label)
    if len(lines) != 1:
        return False
    (line,) = lines
    other = line.other(label)
    network.points.pop(label, None)
    network.lines.remove(line)
    matrix = line.matrix(other)
    if other not in free and not network.points.get(other) and not network.at(other):
        network.points.pop(other, None)
        units = list(line.units.items())
        if len(units) == 1 and units[0][1] == 2:
            network.scalar(make("norm2", units[0][0]), Fraction(2))
        else:
            network.scalar(_sum_of(matrix.args[0] if matrix.op == "T" else matrix))
    elif matrix.op == "softmax":
        network.points.setdefault(other, {})  # its rows add up to 1
    elif matrix.op == "T":
        network.vector(other, make("colsum", matrix.args[0]))
    else:
        network.vector(other, make("rowsum", matrix))
    return True
