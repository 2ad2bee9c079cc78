"""From an expression to instructions: for each operation a rule that emits what computes it.

No eye, diag or matrix of ones is written out where a vector or a scalar does, and the multiple of a matrix is that of a
vector in it where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from latticework.calculus import forms
from latticework.calculus.expression import Expr, make
from latticework.calculus.products import VECTORS, factor, multiplied, with_multiple
from latticework.calculus.registers import Instruction, Places, Registers, needed
from latticework.calculus.shapes import ELEMENTWISE, OF_ROWS, TO_SCALAR
from latticework.calculus.structure import as_gram, is_constant, is_diagonal, is_trace_of_product
from latticework.calculus.tree import order
from latticework.core.errors import InputError

LARGEST_WHOLE = 2**31  # what is larger overflows where whole numbers have 32 bits
# Operations of arrays that are one instruction of the same name.
_OF_ARRAYS = ELEMENTWISE | TO_SCALAR | OF_ROWS | {"colsum", "logsumexp", "compare", "maximum", "minimum"}
# Operations that take all they need from sizes.
_OF_SIZES = {"size", "ones", "zeros", "eye", "unit", "embed", "pairing"}


def lowered(root: Expr) -> list[Instruction]:
    """The instructions that compute an expression as an array; the last one's register is the result."""
    code = Registers(_lower)
    return needed(code.instructions, code.array(code.compute(root)))


def _lower(code: Registers, node: Expr) -> int:
    rule = _RULES.get(node.op)
    if rule is not None:
        return rule(code, node)
    if node.op in _OF_ARRAYS:
        data = node.data if node.op == "compare" else None
        return code.emit(node.op, *(code.array(code.of(arg)) for arg in node.args), data=data)
    if node.op in _OF_SIZES:
        return code.emit(node.op, data=node.shape if node.op in ("ones", "zeros") else node.data)
    raise InputError(f"{node} cannot be exported")


def _var(code: Registers, node: Expr) -> int:
    return code.emit("var", data=node.data[0])


def _number(code: Registers, node: Expr) -> int:
    value = node.data
    whole = isinstance(value, Fraction) and value.denominator == 1 and abs(value) < LARGEST_WHOLE
    return code.emit("number", data=int(value) if whole else float(value))


def _pi(code: Registers, node: Expr) -> int:
    return code.emit("number", data=math.pi)


def _add(code: Registers, node: Expr) -> int:
    diagonals = [arg for arg in node.args if is_diagonal(arg)]
    rest = [arg for arg in node.args if not is_diagonal(arg)]
    if diagonals and any(arg.rank == 2 for arg in rest):
        total = _sum(code, rest)
        return code.emit("add_diagonal", total, code.total([(False, _diagonal(code, arg)) for arg in diagonals]))
    return _sum(code, node.args)


def _sum(code: Registers, args: Sequence[Expr]) -> int:
    # What is the same everywhere is added as a scalar, if there is something to add it to.
    same = [arg for arg in args if is_constant(arg)]
    if not any(arg.rank for arg in args if arg not in same):
        same = []
    parts = []
    for arg in args:
        bare = arg.args[0] if arg.op == "neg" else arg
        parts.append((arg.op == "neg", _element(code, bare) if arg in same else code.of(bare)))
    return code.total(parts)


def _element(code: Registers, node: Expr) -> int:
    """The element of an array whose elements are all the same."""
    if node.op == "ones":
        return code.emit("number", data=1)
    if node.op == "neg":
        return code.emit("neg", _element(code, node.args[0]))
    if node.op == "div":
        return code.emit("div", _element(code, node.args[0]), code.of(node.args[1]))
    return code.product([_element(code, arg) if arg.rank else code.of(arg) for arg in node.args])


def _diagonal(code: Registers, node: Expr) -> int:
    """The diagonal of a diagonal matrix: a vector, or a scalar for all of it."""
    if node.op == "eye":
        return code.emit("number", data=1)
    if node.op == "diag":
        return code.of(node.args[0])
    if node.op == "neg":
        return code.emit("neg", _diagonal(code, node.args[0]))
    parts = [_diagonal(code, arg) if arg.rank else code.of(arg) for arg in node.args]
    return code.emit("div", *parts) if node.op == "div" else code.product(parts)


def _multiple_of_diagonal(code: Registers, node: Expr) -> int:
    vector = _diagonal(code, node)
    if any(part.op == "eye" for part in order(node)):
        return code.emit("mul", vector, code.emit("eye", data=node.shape[0]))
    return code.emit("diag", vector)


def _multiple(code: Registers, node: Expr, apply: Callable[[int], int]) -> int | None:
    """The multiple of a matrix that a vector in it can take, so that no pass over the matrix is needed.

    `apply` gives the multiple of a register. There is none for a matrix that is needed by itself too.
    """
    if node.rank < 2 or code.uses[node] > 1 or node.depth > forms.DEEPEST:
        return None
    if node.op == "einsum":
        return _einsum(code, node, apply)
    if node.op == "neg":
        return _multiple(code, node.args[0], lambda register: code.emit("neg", apply(register)))
    scalars = [arg for arg in node.args if arg.rank == 0]
    if node.op == "had" and len(scalars) == len(node.args) - 1:
        factors = [code.of(arg) for arg in scalars]
        (matrix,) = (arg for arg in node.args if arg.rank)
        return _multiple(code, matrix, lambda register: code.product([*factors, apply(register)]))
    if node.op == "div" and scalars == [node.args[1]]:
        divisor = code.of(node.args[1])
        return _multiple(code, node.args[0], lambda register: code.emit("div", apply(register), divisor))
    if node.op == "add" and not scalars:
        diagonals = [_diagonal(code, arg) for arg in node.args if is_diagonal(arg)]
        parts = [_multiple(code, arg, apply) for arg in node.args if not is_diagonal(arg)]
        if not parts or None in parts:
            return None
        total = code.total([(False, part) for part in parts if part is not None])
        if not diagonals:
            return total
        return code.emit("add_diagonal", total, apply(code.total([(False, each) for each in diagonals])))
    if node.op == "mul" and as_gram(node) is None:
        items = [factor(code, arg) for arg in node.args]
        if any(item.kind in VECTORS for item in items):
            return multiplied(code, with_multiple(items, apply)).register
    return None


def _neg(code: Registers, node: Expr) -> int:
    if is_diagonal(node):
        return _multiple_of_diagonal(code, node)
    found = _multiple(code, node.args[0], lambda register: code.emit("neg", register))
    return code.emit("neg", code.of(node.args[0])) if found is None else found


def _had(code: Registers, node: Expr) -> int:
    if is_diagonal(node):
        return _multiple_of_diagonal(code, node)
    scalars = [code.of(arg) for arg in node.args if arg.rank == 0]
    arrays = [arg for arg in node.args if arg.rank]
    if scalars and len(arrays) == 1:
        found = _multiple(code, arrays[0], lambda register: code.product([*scalars, register]))
        if found is not None:
            return found
    return code.product([*scalars, *map(code.of, arrays)])


def _div(code: Registers, node: Expr) -> int:
    if is_diagonal(node):
        return _multiple_of_diagonal(code, node)
    above, below = node.args
    if below.rank == 0:
        divisor = code.of(below)
        found = _multiple(code, above, lambda register: code.emit("div", register, divisor))
        if found is not None:
            return found
    return code.emit("div", code.of(above), code.of(below))


def _pow(code: Registers, node: Expr) -> int:
    base, exponent = node.args
    if exponent.op == "number" and exponent.data == 2:
        register = code.of(base)
        return code.emit("mul", register, register)
    return code.emit("pow", code.of(base), code.of(exponent))


def _sigmoid(code: Registers, node: Expr) -> int:
    (arg,) = node.args
    if arg.op == "neg":
        return code.emit("sigmoid_of_negative", code.array(code.of(arg.args[0])))
    return code.emit("sigmoid", code.array(code.of(arg)))


def _mul(code: Registers, node: Expr) -> int:
    gram = as_gram(node)
    if gram is not None:
        matrix, weights = gram
        return code.emit("gram", code.of(matrix), code.of(weights))
    return multiplied(code, [factor(code, arg) for arg in node.args]).register


def _rowsum(code: Registers, node: Expr) -> int:
    (arg,) = node.args
    if arg.op == "embed":  # ones where it has columns, without the matrix
        return code.of(make("mul", arg, make("T", arg), make("ones", data=arg.shape[:1])))
    return code.emit("rowsum", code.of(arg))


def _transpose(code: Registers, node: Expr) -> int:
    register = code.of(node.args[0])
    return code.emit("T", register) if node.rank == 2 else register


def _diag(code: Registers, node: Expr) -> int:
    return code.emit("diag" if node.rank == 2 else "diagonal", code.of(node.args[0]))


def _vec(code: Registers, node: Expr) -> int:
    register = code.of(node.args[0])
    return code.emit("vec", register) if node.args[0].rank == 2 else register


def _unvec(code: Registers, node: Expr) -> int:
    return code.emit("unvec", code.of(node.args[0]), data=node.data)


def _index(code: Registers, node: Expr) -> int:
    (arg,) = node.args
    axes = zip(arg.shape, node.data, strict=True)
    return code.emit(
        "index", code.of(arg), data=tuple(None if spec is None else Places(size, *spec) for size, spec in axes)
    )


def _kron(code: Registers, node: Expr) -> int:
    return code.emit("kron", *(code.of(arg) if node.rank == 1 else _as_matrix(code, arg) for arg in node.args))


def _stack(code: Registers, node: Expr) -> int:
    if node.rank == 1:
        parts = [code.of(arg) if arg.rank else code.filled(code.of(arg), 1) for arg in node.args]
        return code.emit("stack", *parts, data=0)
    parts = [_as_matrix(code, arg) for arg in node.args]
    return code.emit("stack", *parts, data=node.data)


def _as_matrix(code: Registers, node: Expr) -> int:
    register = code.of(node)
    if node.rank == 0:
        return code.filled(register, 2)
    return register if node.rank == 2 else code.emit("as_row" if node.row else "as_column", register)


def _trace(code: Registers, node: Expr) -> int:
    (arg,) = node.args
    if is_trace_of_product(node):
        left, right = arg.args
        return code.emit("sum", code.emit("mul", code.of(left), code.emit("T", code.of(right))))
    return code.emit("tr", code.of(arg)) if arg.rank else code.of(arg)


def _det(code: Registers, node: Expr) -> int:
    register = code.of(node.args[0])
    return code.emit("det", register) if node.args[0].rank else register


def _logdet(code: Registers, node: Expr) -> int:
    register = code.of(node.args[0])
    if node.args[0].rank == 0:
        return code.emit("log", code.emit("abs", code.array(register)))
    return code.emit("logdet", register)


def _inv(code: Registers, node: Expr) -> int:
    register = code.of(node.args[0])
    if node.args[0].rank == 0:
        return code.emit("div", code.emit("number", data=1), register)
    return code.emit("inv", register)


def _einsum(code: Registers, node: Expr, apply: Callable[[int], int] | None = None) -> int:
    """An einsum or a multiple of it; products of two matrices that stand by themselves in it come first."""
    inputs, output = node.data
    operands = [(code.array(code.of(arg)), labels) for arg, labels in zip(node.args, inputs, strict=True)]
    for label in sorted({label for labels in inputs for label in labels} - set(output)):
        pair = [(register, labels) for register, labels in operands if label in labels]
        if len(pair) != 2 or any(len(labels) != 2 or labels[0] == labels[1] for _, labels in pair):
            continue
        (one, left), (two, right) = pair
        outer = tuple(other for labels in (left, right) for other in labels if other != label)
        if not set(outer) <= set(output) or outer[0] == outer[1] or len(operands) == 2:
            continue
        one = code.emit("T", one) if left[0] == label else one
        two = code.emit("T", two) if right[1] == label else two
        operands = [(code.emit("matmul", one, two), outer), *(each for each in operands if each not in pair)]
    registers = [register for register, _ in operands]
    if apply is not None:
        registers[0] = apply(registers[0])
    return code.emit("einsum", *registers, data=(tuple(labels for _, labels in operands), output))


_RULES: dict[str, Callable[[Registers, Expr], int]] = {
    "var": _var,
    "number": _number,
    "pi": _pi,
    "add": _add,
    "neg": _neg,
    "had": _had,
    "div": _div,
    "pow": _pow,
    "sigmoid": _sigmoid,
    "mul": _mul,
    "rowsum": _rowsum,
    "T": _transpose,
    "diag": _diag,
    "vec": _vec,
    "unvec": _unvec,
    "index": _index,
    "kron": _kron,
    "stack": _stack,
    "tr": _trace,
    "det": _det,
    "logdet": _logdet,
    "inv": _inv,
    "einsum": _einsum,
}
