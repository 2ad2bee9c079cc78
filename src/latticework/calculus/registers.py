"""Instructions of straight-line code, each computed once, and the registers that expressions are in.

An instruction's result is its register, which later instructions take. Numbers are numbers of Python here, so that they
take on the type of the arrays they meet; what needs an array of one asks for it with `array` or `filled`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import Expr
from latticework.calculus.structure import operands
from latticework.calculus.tree import order

ARITHMETIC = frozenset(["add", "sub", "mul", "div", "neg", "pow"])  # of numbers, a number


@dataclass(frozen=True)
class Instruction:
    """One operation: registers in, and what else it needs; its own register is its place in the program."""

    op: str
    inputs: tuple[int, ...] = ()
    data: Any = None


@dataclass(frozen=True)
class Places:
    """What is taken of an axis: the places from `low` to `high`, counted from 1, or the one at `low` by itself."""

    length: Dim
    low: Dim
    high: Dim | None

    @staticmethod
    def all_of(each: Instruction) -> list[Places | None]:
        """Those of an instruction, by axis; nothing for an axis that is taken as a whole."""
        if each.op == "index":
            return list(each.data)
        if each.op == "unit":
            length, place = each.data
            return [Places(length, place, None)]
        if each.op in ("embed", "pad"):
            length, low, width = each.data
            return [Places(length, low, low + width - ONE)]
        return []

    @property
    def ends(self) -> tuple[Dim, Dim]:
        """The first and the last."""
        return self.low, self.low if self.high is None else self.high


class Registers:
    """Emits instructions, and remembers in which register an expression is.

    Parameters
    ----------
    lower
        What emits the instructions of an expression whose operands have registers, and gives its register.
    """

    def __init__(self, lower: Callable[[Registers, Expr], int]) -> None:
        self.lower = lower
        self.instructions: list[Instruction] = []
        self.uses: Counter[Expr] = Counter()
        self._registers: dict[Expr, int] = {}
        self._seen: dict[tuple[Instruction, type], int] = {}
        self._numbers: set[int] = set()

    def __contains__(self, node: Expr) -> bool:
        """Whether an expression has a register already."""
        return node in self._registers

    def compute(self, root: Expr) -> int:
        """The register of an expression, operands first, without recursion over its depth."""
        wanted = self._wanted(root)
        for node in order(root):
            if node in wanted:
                self.of(node)
        return self.of(root)

    def _wanted(self, root: Expr) -> set[Expr]:
        """Nodes that get a register: not those that a product takes apart."""
        wanted, stack = {root}, [root]
        while stack:
            needed = operands(stack.pop())
            self.uses.update(set(needed))
            for node in needed:
                if node not in wanted:
                    wanted.add(node)
                    stack.append(node)
        return wanted

    def of(self, node: Expr) -> int:
        """The register of an expression."""
        if node not in self._registers:
            self._registers[node] = self.lower(self, node)
        return self._registers[node]

    def emit(self, op: str, *inputs: int, data: Any = None) -> int:
        """The register of an instruction; equal ones are computed once."""
        numbers = op in ARITHMETIC and self._numbers.issuperset(inputs)
        if numbers and op in ("mul", "pow"):
            inputs = (self._fractional(inputs[0]), *inputs[1:])
        instruction = Instruction(op, inputs, data)
        key = instruction, type(data)  # 2 and 2.0 are equal
        if key not in self._seen:
            self.instructions.append(instruction)
            self._seen[key] = len(self.instructions) - 1
            if numbers or op in ("number", "size"):
                self._numbers.add(self._seen[key])
        return self._seen[key]

    def _fractional(self, register: int) -> int:
        """A number as a float: whole ones of Python grow past those that arrays can be multiplied by."""
        each = self.instructions[register]
        if each.op == "number":
            return self.emit("number", data=float(each.data))
        whole = each.op not in ("mul", "pow", "div")
        return self.emit("mul", self.emit("number", data=1.0), register) if whole else register

    def array(self, register: int) -> int:
        """The register as an array: functions of arrays do not take numbers of Python."""
        return self.filled(register, 0) if register in self._numbers else register

    def filled(self, register: int, rank: int) -> int:
        """A scalar as an array of one element."""
        if register in self._numbers:
            return self.emit("full", register, data=(1,) * rank)
        return self.emit("as_vector" if rank == 1 else "as_one", register)

    def total(self, parts: Sequence[tuple[bool, int]]) -> int:
        """The sum of registers, those marked with a minus sign."""
        rest = list(parts)
        # Begin with something that is added.
        negative, total = rest.pop(next((k for k, (minus, _) in enumerate(rest) if not minus), 0))
        if negative:
            total = self.emit("neg", total)
        for minus, register in rest:
            total = self.emit("sub" if minus else "add", total, register)
        return total

    def product(self, registers: Sequence[int]) -> int:
        """The element-wise product."""
        total = registers[0]
        for register in registers[1:]:
            total = self.emit("mul", total, register)
        return total


def needed(instructions: Sequence[Instruction], result: int) -> list[Instruction]:
    """What a result is computed from: a product that took a factor apart has no use for the whole of it."""
    kept = {result}
    for place in range(result, -1, -1):
        if place in kept:
            kept.update(instructions[place].inputs)
    new = {old: place for place, old in enumerate(sorted(kept))}
    return [
        Instruction(instructions[old].op, tuple(new[each] for each in instructions[old].inputs), instructions[old].data)
        for old in new
    ]
