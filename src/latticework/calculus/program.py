"""Straight-line code of an expression: its parameters, what tells sizes, and what may be written over.

`called` says how a program is called, `source` how it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from latticework.calculus.dimensions import Dim
from latticework.calculus.expression import Expr
from latticework.calculus.lowering import lowered
from latticework.calculus.registers import ARITHMETIC, Instruction, Places
from latticework.calculus.shapes import ELEMENTWISE, OF_ROWS
from latticework.calculus.tree import variables
from latticework.core.errors import InputError

# Operations whose result is new memory, which may be written over, and those whose result may be a view of an operand.
_MADE = (
    ARITHMETIC
    | ELEMENTWISE
    | OF_ROWS
    | {"matmul", "outer", "gram", "scale_rows", "scale_columns", "solve", "inv"}
    | {"add_diagonal", "onto_diagonal", "pad", "rowsum", "colsum", "compare", "sigmoid_of_negative"}
)
_VIEWS = {"T", "as_row", "as_column", "as_vector", "as_one", "vec", "unvec"} | {"diagonal", "index", "einsum"}


@dataclass(frozen=True)
class SizeOf:
    """What tells a size: the axis of a parameter, of length `slope * size + offset`."""

    parameter: str
    axis: int
    slope: int
    offset: int


@dataclass(frozen=True)
class Program:
    """What computes an expression.

    Attributes
    ----------
    variables
        Parameters by name, in order.
    sizes
        For each size symbol that is needed: what tells it.
    instructions
        In order; the last one's register is the result.
    """

    variables: dict[str, Expr]
    sizes: dict[str, SizeOf]
    instructions: list[Instruction]

    @property
    def model(self) -> str | None:
        """The parameter whose type new arrays have: the first that is an array, or else the first."""
        arrays = [name for name, node in self.variables.items() if node.rank]
        return next(iter([*arrays, *self.variables]), None)


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
    named = dict(variables(root) if parameters is None else parameters)
    instructions = lowered(root)
    if _is_an_argument(instructions):  # whoever changes the result must not change what was given
        instructions.append(Instruction("own", (len(instructions) - 1,)))
    for place, which in spent_inputs(instructions).items():
        each = instructions[place]
        if each.op == "add_diagonal" and 0 in which:
            instructions[place] = replace(each, op="onto_diagonal")
    needed = {name for each in instructions for name in _symbols(each.data)}
    return Program(named, {name: _told(name, named) for name in sorted(needed)}, instructions)


def _is_an_argument(instructions: Sequence[Instruction]) -> bool:
    """Whether the result is a variable, or a view of one."""
    each = instructions[-1]
    while each.op in _VIEWS and len(each.inputs) == 1:
        each = instructions[each.inputs[0]]
    return each.op == "var"


def spent_inputs(instructions: Sequence[Instruction]) -> dict[int, tuple[int, ...]]:
    """For each instruction, the places of inputs that it may write over.

    Their memory was made by an instruction before, nothing later reads it, and nothing is a view of it.
    """
    last: dict[int, int] = {}
    viewed: set[int] = set()
    for place, each in enumerate(instructions):
        last.update(dict.fromkeys(each.inputs, place))
        if each.op in _VIEWS:
            viewed.update(each.inputs)
    made = {place for place, each in enumerate(instructions) if each.op in _MADE} - viewed
    spent = {}
    for place, each in enumerate(instructions):
        which = tuple(k for k, register in enumerate(each.inputs) if register in made and last[register] == place)
        if which:
            spent[place] = which
    return spent


def _symbols(data: Any) -> set[str]:
    """Size symbols in what an instruction needs to know."""
    if isinstance(data, Dim):
        return set(data.symbols)
    if isinstance(data, Places):  # the length is that of what is there
        return {name for end in data.ends for name in end.symbols}
    if isinstance(data, tuple):
        return {name for part in data for name in _symbols(part)}
    return set()


def _told(name: str, parameters: Mapping[str, Expr]) -> SizeOf:
    for exact in (True, False):
        for parameter, node in parameters.items():
            for axis, size in enumerate(node.shape):
                if size.name == name or (not exact and size.symbols == {name} and _is_linear(size)):
                    terms = dict(size.terms)
                    return SizeOf(parameter, axis, terms[name,], terms.get((), 0))
    raise InputError(f"no variable tells the size {name}, so code cannot know it")


def _is_linear(size: Dim) -> bool:
    return all(len(factors) <= 1 for factors, _ in size.terms)
