"""From an expression to straight-line code: shared parts once, products in a cheap order, no eye or diag written out.

A program is a list of instructions on registers. `backends` says how each is called and how it is written.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Any

from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import ELEMENTWISE, Expr, order, symbols, variables
from latticework.core.errors import InputError

NOMINAL = 100.0  # what an unknown size counts when products are ordered


@dataclass(frozen=True)
class Instruction:
    """One operation: registers in, and what else it needs; its own register is its place in the program."""

    op: str
    inputs: tuple[int, ...] = ()
    data: Any = None


@dataclass
class Program:
    """What computes an expression.

    Attributes
    ----------
    variables
        Parameters by name, in order.
    sizes
        For each size symbol that is needed: the parameter and axis that tell it, and what that axis is of it.
    instructions
        In order; the last one's register is the result.
    """

    variables: dict[str, Expr]
    sizes: dict[str, tuple[str, int, Dim]] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)


def program(root: Expr, parameters: Mapping[str, Expr] | None = None) -> Program:
    """Compile an expression.

    Parameters
    ----------
    root
        What to compute.
    parameters
        The variables of the function, in order; those of the expression if missing.

    Raises
    ------
    InputError
        If no parameter tells a size that is needed.
    """
    found = Program(dict(variables(root) if parameters is None else parameters))
    lowering = _Lowering(found)
    result = lowering.array(lowering.register(root))
    if result != len(found.instructions) - 1:
        result = lowering.emit("copy", result)
    found.instructions = _needed(found.instructions, result)
    for place, which in spent_inputs(found).items():
        each = found.instructions[place]
        if each.op == "add_diagonal" and 0 in which:
            found.instructions[place] = replace(each, op="onto_diagonal")
    needed = {name for each in found.instructions for name in _symbols(each.data)}
    for name in sorted(needed):
        found.sizes[name] = _told(name, found.variables)
    return found


def _needed(instructions: Sequence[Instruction], result: int) -> list[Instruction]:
    """What a result is computed from: a product that took a factor apart has no use for the whole of it."""
    kept = {result}
    for place in range(result, -1, -1):
        if place in kept:
            kept.update(instructions[place].inputs)
    new = {old: place for place, old in enumerate(sorted(kept))}
    return [replace(instructions[old], inputs=tuple(new[each] for each in instructions[old].inputs)) for old in new]


def spent_inputs(found: Program) -> dict[int, tuple[int, ...]]:
    """For each instruction, the places of inputs that it may write over.

    Their memory was made by an instruction before, nothing later reads it, and nothing is a view of it.
    """
    last: dict[int, int] = {}
    viewed: set[int] = set()
    for place, each in enumerate(found.instructions):
        last.update(dict.fromkeys(each.inputs, place))
        if each.op in _VIEWS:
            viewed.update(each.inputs)
    made = {place for place, each in enumerate(found.instructions) if each.op in _MADE} - viewed
    spent = {}
    for place, each in enumerate(found.instructions):
        which = tuple(k for k, register in enumerate(each.inputs) if register in made and last[register] == place)
        if which:
            spent[place] = which
    return spent


# Operations whose result is new memory, not a view of an operand.
_MADE = ELEMENTWISE | frozenset(
    [
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "pow",
        "matmul",
        "outer",
        "gram",
        "scale_rows",
        "scale_columns",
        "rowsum",
        "colsum",
        "softmax",
        "log_softmax",
        "add_diagonal",
        "onto_diagonal",
        "solve",
        "inv",
        "compare",
        "sigmoid_of_negative",
    ]
)
_VIEWS = frozenset(
    ["T", "copy", "as_row", "as_column", "as_vector", "as_one", "diagonal", "vec", "unvec", "index", "einsum"]
)


def _symbols(data: Any) -> set[str]:
    if isinstance(data, Dim):
        return set(data.symbols)
    if isinstance(data, tuple):
        return {name for part in data for name in _symbols(part)}
    return set()


def _told(name: str, parameters: Mapping[str, Expr]) -> tuple[str, int, Dim]:
    for exact in (True, False):
        for parameter, node in parameters.items():
            for axis, size in enumerate(node.shape):
                if size.name == name or (not exact and size.symbols == {name} and _linear(size)):
                    return parameter, axis, size
    raise InputError(f"no variable tells the size {name}, so code cannot know it")


def _linear(size: Dim) -> bool:
    return all(len(factors) <= 1 for factors, _ in size.terms)


@dataclass(frozen=True)
class _Item:
    """A factor of a matrix product: its kind and a register.

    A kind is "matrix", "column", "row", "diagonal", "inverse" or "sum"; a sum has no register before it is added up.
    """

    kind: str
    register: int
    rows: float
    columns: float
    turned: bool = False  # of an inverse: the transpose of the inverse
    node: Expr | None = None  # of a sum


_VECTORS = ("column", "row", "diagonal")


class _Lowering:
    def __init__(self, found: Program) -> None:
        self.found = found
        self.registers: dict[Expr, int] = {}
        self.seen: dict[Instruction, int] = {}
        self.uses: Counter[Expr] = Counter()
        self.numbers: set[int] = set()  # registers that are no arrays

    def emit(self, op: str, *inputs: int, data: Any = None) -> int:
        """The register of an instruction; equal ones are computed once."""
        instruction = Instruction(op, inputs, data)
        if instruction not in self.seen:
            self.found.instructions.append(instruction)
            register = self.seen[instruction] = len(self.found.instructions) - 1
            if op in ("number", "size") or (op in _ARITHMETIC and self.numbers.issuperset(inputs)):
                self.numbers.add(register)
        return self.seen[instruction]

    def array(self, register: int) -> int:
        """The register as an array: functions of torch do not take numbers of Python."""
        return self.emit("scalar", register) if register in self.numbers else register

    def register(self, root: Expr) -> int:
        """Compute an expression, operands first, without recursion over its depth."""
        wanted = self._wanted(root)
        for node in order(root):
            if node in wanted and node not in self.registers:
                self.registers[node] = self.lower(node)
        return self.registers[root]

    def _wanted(self, root: Expr) -> set[Expr]:
        """Nodes that get a register: not those that a product takes apart."""
        wanted, stack = {root}, [root]
        while stack:
            node = stack.pop()
            operands = _operands(node)
            self.uses.update(set(operands))
            for arg in operands:
                if arg not in wanted:
                    wanted.add(arg)
                    stack.append(arg)
        return wanted

    def of(self, node: Expr) -> int:
        """The register of an operand."""
        if node not in self.registers:
            self.registers[node] = self.lower(node)
        return self.registers[node]

    def lower(self, node: Expr) -> int:
        """Emit a node whose operands have registers."""
        special = getattr(self, f"lower_{node.op}", None)
        if special is not None:
            return int(special(node))
        data = node.data if node.op in ("compare", "size", "unit", "embed", "pairing") else None
        if node.op in ELEMENTWISE or node.op in _PLAIN:
            return self.emit(node.op, *(self.array(self.of(arg)) for arg in node.args), data=data)
        raise InputError(f"{node} cannot be exported")

    def lower_sigmoid(self, node: Expr) -> int:
        (arg,) = node.args
        if arg.op == "neg":
            return self.emit("sigmoid_of_negative", self.array(self.of(arg.args[0])))
        return self.emit("sigmoid", self.array(self.of(arg)))

    def lower_var(self, node: Expr) -> int:
        return self.emit("var", data=node.data[0])

    def lower_number(self, node: Expr) -> int:
        value = node.data
        whole = isinstance(value, Fraction) and value.denominator == 1
        return self.emit("number", data=int(value) if whole else float(value))

    def lower_pi(self, node: Expr) -> int:
        return self.emit("number", data=math.pi)

    def lower_ones(self, node: Expr) -> int:
        return self.emit("ones", data=node.shape)

    def lower_zeros(self, node: Expr) -> int:
        return self.emit("zeros", data=node.shape)

    def lower_eye(self, node: Expr) -> int:
        return self.emit("eye", data=node.data)

    def lower_add(self, node: Expr) -> int:
        diagonals = [arg for arg in node.args if _on_diagonal(arg)]
        dense = [arg for arg in node.args if arg not in diagonals and arg.rank == 2]
        if node.rank == 2 and diagonals and dense:
            total = self._sum([arg for arg in node.args if arg not in diagonals])
            vector = self._total([(False, self._diagonal(arg)) for arg in diagonals])
            return self.emit("add_diagonal", total, vector)
        return self._sum(node.args)

    def _sum(self, args: Sequence[Expr]) -> int:
        # What is the same everywhere is added as a scalar, if there is something to add it to.
        same = [arg for arg in args if _is_constant(arg)]
        if not any(arg.rank for arg in args if arg not in same):
            same = []
        parts = []
        for arg in args:
            bare = arg.args[0] if arg.op == "neg" else arg
            parts.append((arg.op == "neg", self._constant(bare) if arg in same else self.of(bare)))
        return self._total(parts)

    def _total(self, parts: Sequence[tuple[bool, int]]) -> int:
        """The sum of registers, those marked with a minus sign."""
        rest = list(parts)
        # Begin with something that is added.
        negative, total = rest.pop(next((k for k, (minus, _) in enumerate(rest) if not minus), 0))
        if negative:
            total = self.emit("neg", total)
        for minus, register in rest:
            total = self.emit("sub" if minus else "add", total, register)
        return total

    def _constant(self, node: Expr) -> int:
        """The element of an array whose elements are all the same."""
        if node.op == "ones":
            return self.emit("number", data=1)
        if node.op == "neg":
            return self.emit("neg", self._constant(node.args[0]))
        if node.op == "div":
            return self.emit("div", self._constant(node.args[0]), self.of(node.args[1]))
        return self._product([self.of(arg) for arg in node.args if arg.rank == 0])

    def _product(self, registers: Sequence[int]) -> int:
        """The element-wise product."""
        total = registers[0]
        for register in registers[1:]:
            total = self.emit("mul", total, register)
        return total

    def _multiple(self, node: Expr, apply: Callable[[int], int]) -> int | None:
        """The multiple of a matrix that a vector in it can take, so that no pass over the matrix is needed.

        `apply` gives the multiple of a register. There is none for a matrix that is needed by itself too.
        """
        if node.rank < 2 or self.uses[node] > 1:
            return None
        if node.op == "einsum":
            return self._einsum(node, apply)
        if node.op == "neg":
            return self._multiple(node.args[0], lambda register: self.emit("neg", apply(register)))
        scalars = [arg for arg in node.args if arg.rank == 0]
        if node.op == "had" and len(scalars) == len(node.args) - 1:
            factors = [self.of(arg) for arg in scalars]
            (matrix,) = (arg for arg in node.args if arg.rank)
            return self._multiple(matrix, lambda register: self._product([*factors, apply(register)]))
        if node.op == "div" and scalars == [node.args[1]]:
            divisor = self.of(node.args[1])
            return self._multiple(node.args[0], lambda register: self.emit("div", apply(register), divisor))
        if node.op == "add" and not scalars:
            diagonals = [self._diagonal(arg) for arg in node.args if _on_diagonal(arg)]
            parts = [self._multiple(arg, apply) for arg in node.args if not _on_diagonal(arg)]
            if not parts or None in parts:
                return None
            total = self._total([(False, part) for part in parts if part is not None])
            if not diagonals:
                return total
            return self.emit("add_diagonal", total, apply(self._total([(False, each) for each in diagonals])))
        if node.op == "mul" and _gram(node) is None:
            items = [self._item(arg) for arg in node.args]
            if any(item.kind in _VECTORS for item in items):
                return self._joined(_with_multiple(items, apply)).register
        return None

    def _diagonal(self, node: Expr) -> int:
        """The diagonal of a diagonal matrix: a vector, or a scalar for all of it."""
        if node.op == "eye":
            return self.emit("number", data=1)
        if node.op == "diag":
            return self.of(node.args[0])
        if node.op == "neg":
            return self.emit("neg", self._diagonal(node.args[0]))
        factors = [self._diagonal(arg) if arg.rank else self.of(arg) for arg in node.args]
        return self.emit("div", *factors) if node.op == "div" else self._product(factors)

    def lower_neg(self, node: Expr) -> int:
        if _on_diagonal(node):
            return self._scaled_diagonal(node)
        found = self._multiple(node.args[0], lambda register: self.emit("neg", register))
        return self.emit("neg", self.of(node.args[0])) if found is None else found

    def _scaled_diagonal(self, node: Expr) -> int:
        vector = self._diagonal(node)
        if any(part.op == "eye" for part in order(node)):
            return self.emit("mul", vector, self.emit("eye", data=node.shape[0]))
        return self.emit("diag", vector)

    def lower_had(self, node: Expr) -> int:
        if _on_diagonal(node):
            return self._scaled_diagonal(node)
        scalars = [self.of(arg) for arg in node.args if arg.rank == 0]
        arrays = [arg for arg in node.args if arg.rank]
        if scalars and len(arrays) == 1:
            found = self._multiple(arrays[0], lambda register: self._product([*scalars, register]))
            if found is not None:
                return found
        return self._product([*scalars, *map(self.of, arrays)])

    def lower_div(self, node: Expr) -> int:
        if _on_diagonal(node):
            return self._scaled_diagonal(node)
        above, below = node.args
        if below.rank == 0:
            divisor = self.of(below)
            found = self._multiple(above, lambda register: self.emit("div", register, divisor))
            if found is not None:
                return found
        return self.emit("div", self.of(above), self.of(below))

    def lower_pow(self, node: Expr) -> int:
        base, exponent = node.args
        if exponent.op == "number" and exponent.data == 2:
            register = self.of(base)
            return self.emit("mul", register, register)
        return self.emit("pow", self.of(base), self.of(exponent))

    def lower_T(self, node: Expr) -> int:
        register = self.of(node.args[0])
        return self.emit("T", register) if node.rank == 2 else register

    def lower_diag(self, node: Expr) -> int:
        return self.emit("diag" if node.rank == 2 else "diagonal", self.of(node.args[0]))

    def lower_vec(self, node: Expr) -> int:
        return self.emit("vec", self.of(node.args[0])) if node.args[0].rank == 2 else self.of(node.args[0])

    def lower_unvec(self, node: Expr) -> int:
        return self.emit("unvec", self.of(node.args[0]), data=node.data)

    def lower_kron(self, node: Expr) -> int:
        if node.rank == 1:
            return self.emit("kron", *map(self.of, node.args))
        return self.emit("kron", *(self._as_matrix(arg) for arg in node.args))

    def _as_matrix(self, node: Expr) -> int:
        register = self.of(node)
        return register if node.rank == 2 else self.emit("as_row" if node.row else "as_column", register)

    def lower_tr(self, node: Expr) -> int:
        (arg,) = node.args
        if _is_trace_of_product(node):
            # Only the diagonal of the product is needed.
            left, right = arg.args
            one, two = self.of(left), self.of(right)
            return self.emit("sum", self.emit("mul", one, self.emit("T", two)))
        return self.emit("tr", self.of(arg)) if arg.rank else self.of(arg)

    def lower_det(self, node: Expr) -> int:
        return self.emit("det", self.of(node.args[0])) if node.args[0].rank else self.of(node.args[0])

    def lower_logdet(self, node: Expr) -> int:
        register = self.of(node.args[0])
        if node.args[0].rank == 0:
            return self.emit("log", self.emit("abs", self.array(register)))
        return self.emit("logdet", register)

    def lower_inv(self, node: Expr) -> int:
        register = self.of(node.args[0])
        if node.args[0].rank == 0:
            return self.emit("div", self.emit("number", data=1), register)
        return self.emit("inv", register)

    def lower_stack(self, node: Expr) -> int:
        if node.rank == 1:
            parts = [self.of(arg) if arg.rank else self.emit("as_vector", self.of(arg)) for arg in node.args]
            return self.emit("stack", *parts, data=0)
        parts = [self._as_matrix(arg) if arg.rank else self.emit("as_one", self.of(arg)) for arg in node.args]
        return self.emit("stack", *parts, data=node.data)

    def lower_index(self, node: Expr) -> int:
        return self.emit("index", self.of(node.args[0]), data=node.data)

    def lower_einsum(self, node: Expr) -> int:
        return self._einsum(node)

    def _einsum(self, node: Expr, apply: Callable[[int], int] | None = None) -> int:
        """An einsum or a multiple of it; products of two matrices that stand by themselves in it come first."""
        inputs, output = node.data
        operands = [(self.of(arg), labels) for arg, labels in zip(node.args, inputs, strict=True)]
        for label in sorted({label for labels in inputs for label in labels} - set(output)):
            pair = [(register, labels) for register, labels in operands if label in labels]
            if len(pair) != 2 or any(len(labels) != 2 or labels[0] == labels[1] for _, labels in pair):
                continue
            (one, left), (two, right) = pair
            outer = tuple(other for labels in (left, right) for other in labels if other != label)
            if not set(outer) <= set(output) or outer[0] == outer[1] or len(operands) == 2:
                continue
            one = self.emit("T", one) if left[0] == label else one
            two = self.emit("T", two) if right[1] == label else two
            operands = [(self.emit("matmul", one, two), outer), *(each for each in operands if each not in pair)]
        registers = [register for register, _ in operands]
        if apply is not None:
            registers[0] = apply(registers[0])
        return self.emit("einsum", *registers, data=(tuple(labels for _, labels in operands), output))

    def lower_mul(self, node: Expr) -> int:
        gram = _gram(node)
        if gram is not None:
            matrix, weights = gram
            return self.emit("gram", self.of(matrix), self.of(weights))
        return self._joined([self._item(arg) for arg in node.args]).register

    def _item(self, node: Expr) -> _Item:
        sizes = [float(size.known or NOMINAL) for size in node.shape]
        rows, columns = sizes[0], sizes[-1]
        if node.rank == 1:
            register = self.emit("ones", data=node.shape) if node.op == "ones" else self.of(node)
            return _Item("row", register, 1.0, columns) if node.row else _Item("column", register, rows, 1.0)
        if node.op == "diag":
            return _Item("diagonal", self.of(node.args[0]), rows, columns)
        bare, turned = (node.args[0], True) if node.op == "T" else (node, False)
        if bare.op == "inv" and bare not in self.registers:
            return _Item("inverse", self.of(bare.args[0]), rows, columns, turned)
        if _can_wait(node) and node not in self.registers:
            return _Item("sum", -1, rows, columns, node=node)
        return _Item("matrix", self.of(node), rows, columns)

    def _joined(self, items: list[_Item]) -> _Item:
        """The product of all, in the cheapest order for the sizes as far as they are known."""
        best: dict[tuple[int, int], tuple[float, int]] = {(k, k): (0.0, k) for k in range(len(items))}
        for width in range(1, len(items)):
            for first in range(len(items) - width):
                last = first + width
                options = []
                for cut in range(first, last):
                    cost = best[first, cut][0] + best[cut + 1, last][0] + _cost(items, first, cut, last)
                    options.append((cost, -cut))
                cost, cut = min(options)
                best[first, last] = cost, -cut

        def join(first: int, last: int) -> _Item:
            if first == last:
                return items[first]
            cut = best[first, last][1]
            return self._times(join(first, cut), join(cut + 1, last))

        whole = join(0, len(items) - 1)
        return self._dense(whole)

    def _times(self, left: _Item, right: _Item) -> _Item:
        rows, columns = left.rows, right.columns
        if "scalar" in (left.kind, right.kind):
            scalar, other = (left, right) if left.kind == "scalar" else (right, left)
            other = self._dense(other) if other.kind in ("inverse", "sum") else other
            return replace(
                other, register=self.emit("mul", scalar.register, other.register), rows=rows, columns=columns
            )
        if "sum" in (left.kind, right.kind):
            first, second = left.node, right.node
            if (left.kind == "row" or right.kind == "column" or _is_outer(first or second)) and (
                first is None or second is None
            ):
                return self._distributed(left, right)
            left, right = (self._dense(item) if item.kind == "sum" else item for item in (left, right))
        if left.kind == right.kind == "diagonal":
            return _Item("diagonal", self.emit("mul", left.register, right.register), rows, columns)
        if left.kind == "inverse" and right.kind in ("matrix", "column"):
            matrix = self.emit("T", left.register) if left.turned else left.register
            return _Item(right.kind, self.emit("solve", matrix, right.register), rows, columns)
        if right.kind == "inverse" and left.kind in ("matrix", "row"):
            matrix = right.register if right.turned else self.emit("T", right.register)
            if left.kind == "row":
                return _Item("row", self.emit("solve", matrix, left.register), rows, columns)
            solved = self.emit("solve", matrix, self.emit("T", left.register))
            return _Item("matrix", self.emit("T", solved), rows, columns)
        if left.kind == "diagonal" and right.kind != "inverse":
            if right.kind == "column":
                return _Item("column", self.emit("mul", left.register, right.register), rows, columns)
            return _Item("matrix", self.emit("scale_rows", left.register, right.register), rows, columns)
        if right.kind == "diagonal" and left.kind != "inverse":
            if left.kind == "row":
                return _Item("row", self.emit("mul", left.register, right.register), rows, columns)
            return _Item("matrix", self.emit("scale_columns", left.register, right.register), rows, columns)
        left, right = self._dense(left), self._dense(right)
        if left.kind == "column" and right.kind == "row":
            return _Item("matrix", self.emit("outer", left.register, right.register), rows, columns)
        if left.kind == "column" or right.kind == "row":
            # Beside a matrix with one row or column.
            one = self.emit("as_column", left.register) if left.kind == "column" else left.register
            two = self.emit("as_row", right.register) if right.kind == "row" else right.register
            return _Item("matrix", self.emit("matmul", one, two), rows, columns)
        kinds = {("row", "column"): "scalar", ("row", "matrix"): "row", ("matrix", "column"): "column"}
        kind = kinds.get((left.kind, right.kind), "matrix")
        return _Item(kind, self.emit("matmul", left.register, right.register), rows, columns)

    def _multiplied(self, multiples: Sequence[int], register: int) -> int:
        return self._product([*multiples, register])

    def _distributed(self, left: _Item, right: _Item) -> _Item:
        """A sum of matrices times something, term by term, so that the sum itself is not needed."""
        node = left.node or right.node
        assert node is not None
        parts, found = [], left
        for term in node.args:
            negative, scalars, core = _taken_apart(term)
            factors = () if core.op == "eye" else core.args if core.op == "mul" else (core,)
            items = [self._item(factor) for factor in factors]
            items = [*items, right] if left.node is not None else [left, *items]
            if scalars:
                multiples = [self.of(scalar) for scalar in scalars]
                items = _with_multiple(items, partial(self._multiplied, multiples))
            found = self._joined(items)
            parts.append((negative, found.register))
        return replace(found, register=self._total(parts), rows=left.rows, columns=right.columns)

    def _dense(self, item: _Item) -> _Item:
        if item.node is not None:
            return _Item("matrix", self.of(item.node), item.rows, item.columns)
        if item.kind == "diagonal":
            return _Item("matrix", self.emit("diag", item.register), item.rows, item.columns)
        if item.kind == "inverse":
            inverse = self.emit("inv", item.register)
            register = self.emit("T", inverse) if item.turned else inverse
            return _Item("matrix", register, item.rows, item.columns)
        return item


_ARITHMETIC = frozenset(["add", "sub", "mul", "div", "neg", "pow"])
_PLAIN = frozenset(
    [
        "compare",
        "size",
        "unit",
        "embed",
        "pairing",
        "sum",
        "mean",
        "norm1",
        "norm2",
        "max",
        "min",
        "rowsum",
        "colsum",
        "softmax",
        "log_softmax",
        "logsumexp",
        "maximum",
        "minimum",
    ]
)


def _operands(node: Expr) -> tuple[Expr, ...]:
    """What has to be computed before the node: in products, sums and diagonals, what these take apart."""
    if _on_diagonal(node):
        return _of_diagonal(node)
    if node.op == "mul":
        return tuple(part for arg in node.args for part in _of_factor(arg))
    if node.op == "add":
        diagonal = node.rank == 2 and any(arg.rank == 2 and not _on_diagonal(arg) for arg in node.args)
        parts: list[Expr] = []
        for arg in node.args:
            if diagonal and _on_diagonal(arg):
                parts.extend(_of_diagonal(arg))
            else:
                parts.append(arg.args[0] if arg.op == "neg" and arg is not node.args[0] else arg)
        return tuple(parts)
    if node.op == "tr" and _is_trace_of_product(node):
        return node.args[0].args
    return node.args


def _of_diagonal(node: Expr) -> tuple[Expr, ...]:
    """The vectors and scalars of a diagonal matrix."""
    if node.op == "eye":
        return ()
    if node.op == "diag":
        return node.args
    return tuple(part for arg in node.args for part in (_of_diagonal(arg) if arg.rank else (arg,)))


def _of_factor(node: Expr) -> tuple[Expr, ...]:
    """What a factor of a matrix product is computed from, if the product takes it apart."""
    if node.op == "diag" and node.rank == 2:
        return node.args
    if _can_wait(node):
        parts: list[Expr] = []
        for term in node.args:
            _, scalars, core = _taken_apart(term)
            parts.extend(scalars)
            for factor in core.args if core.op == "mul" else (core,):
                parts.extend(_of_factor(factor) if factor.op != "eye" else ())
        return tuple(parts)
    bare = node.args[0] if node.op == "T" else node
    return bare.args if bare.op == "inv" and bare.rank == 2 else (node,)


def _can_wait(node: Expr) -> bool:
    """Whether it is a sum of matrices that can each be multiplied by what the sum is multiplied by."""
    if node.op != "add" or any(term.rank != 2 for term in node.args):
        return False
    return all(_taken_apart(term)[2].op in ("var", "T", "mul", "inv", "diag", "eye") for term in node.args)


def _taken_apart(term: Expr) -> tuple[bool, tuple[Expr, ...], Expr]:
    """Whether there is a minus sign, the scalar factors, and the rest of a term."""
    negative = term.op == "neg"
    bare = term.args[0] if negative else term
    arrays = [arg for arg in bare.args if arg.rank]
    if bare.op == "had" and len(arrays) == 1:
        return negative, tuple(arg for arg in bare.args if arg.rank == 0), arrays[0]
    return negative, (), bare


def _is_outer(node: Expr | None) -> bool:
    """Whether every term of a sum is a product of vectors, which multiplies something faster than their sum does."""
    cores = [_taken_apart(term)[2] for term in node.args] if node is not None else []
    return bool(cores) and all(core.op == "mul" and core.args[0].rank == core.args[-1].rank == 1 for core in cores)


def _with_multiple(items: Sequence[_Item], apply: Callable[[int], int]) -> list[_Item]:
    """The factors of a product with a multiple of its first vector."""
    place = next(place for place, item in enumerate(items) if item.kind in _VECTORS)
    scaled = replace(items[place], register=apply(items[place].register))
    return [*items[:place], scaled, *items[place + 1 :]]


def _gram(node: Expr) -> tuple[Expr, Expr] | None:
    """X and v of a product X'*diag(v)*X in which no element of v is negative."""
    if len(node.args) != 3 or node.args[1].op != "diag" or node.args[0].rank != 2:
        return None
    left, middle, right = node.args
    if not (left.op == "T" and left.args[0] is right) and not (right.op == "T" and right.args[0] is left):
        return None
    return (right, middle.args[0]) if _is_nonnegative(middle.args[0]) else None


def _is_nonnegative(root: Expr) -> bool:
    """Whether no element can be negative, as far as the form tells."""
    known: dict[Expr, bool] = {}
    for node in order(root):
        parts = [known[arg] for arg in node.args]
        if node.op in _NONNEGATIVE:
            known[node] = True
        elif node.op == "number":
            known[node] = node.data >= 0
        elif node.op == "var":
            known[node] = "positive" in node.data[2]
        elif node.op == "pow":
            exponent = node.args[1]
            known[node] = parts[0] or (exponent.op == "number" and exponent.data % 2 == 0)
        elif node.op == "add" and len(node.args) == 2 and not all(parts):
            one, other = node.args
            share = other.op == "neg" and other.args[0].op in ("sigmoid", "softmax")
            known[node] = share and (one.op == "ones" or (one.op == "number" and one.data >= 1))
        else:
            known[node] = node.op in _KEEPS_SIGN and all(parts)
    return known[root]


_NONNEGATIVE = frozenset(
    [
        "ones",
        "zeros",
        "size",
        "pi",
        "exp",
        "sigmoid",
        "softplus",
        "relu",
        "abs",
        "sqrt",
        "softmax",
        "norm1",
        "norm2",
        "compare",
    ]
)
_KEEPS_SIGN = frozenset(
    ["add", "had", "div", "sum", "mean", "rowsum", "colsum", "max", "min", "maximum", "minimum", "T", "index", "vec"]
)


def _is_constant(node: Expr) -> bool:
    """Whether it is an array whose elements are all the same: ones, and multiples of them."""
    while node.rank:
        arrays = [arg for arg in node.args if arg.rank]
        if node.op == "ones":
            return True
        if len(arrays) != 1 or node.op not in ("neg", "had", "div") or (node.op == "div" and node.args[1].rank):
            return False
        (node,) = arrays
    return False


def _is_trace_of_product(node: Expr) -> bool:
    (arg,) = node.args
    return arg.op == "mul" and len(arg.args) == 2 and all(factor.rank == 2 for factor in arg.args)


def _on_diagonal(node: Expr) -> bool:
    """Whether it is a diagonal matrix by its form: eye, diag(v), and multiples of them."""
    if node.rank != 2:
        return False
    if node.op == "eye":
        return True
    if node.op == "diag":
        return node.args[0].rank == 1
    if node.op == "neg":
        return _on_diagonal(node.args[0])
    if node.op == "had":
        arrays = [arg for arg in node.args if arg.rank]
        return len(arrays) == 1 and _on_diagonal(arrays[0])
    if node.op == "div":
        return node.args[1].rank == 0 and _on_diagonal(node.args[0])
    return False


def _cost(items: Sequence[_Item], first: int, cut: int, last: int) -> float:
    """Multiplications of one product of two parts."""
    rows, inner, columns = items[first].rows, items[cut].columns, items[last].columns
    if first == cut and items[first].kind == "diagonal":
        return inner * columns
    if cut + 1 == last and items[last].kind == "diagonal":
        return rows * inner
    if (first == cut and items[first].kind == "inverse") or (cut + 1 == last and items[last].kind == "inverse"):
        return inner**3 / 3 + rows * inner * columns
    return rows * inner * columns


def sizes_told(found: Program) -> set[str]:
    """Size symbols of the parameters."""
    return symbols(*found.variables.values())


__all__ = ["ONE", "Instruction", "Program", "program", "sizes_told"]
