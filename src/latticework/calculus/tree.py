"""Expression trees: an operation, its operands and its shape; and walks over them that do not recurse.

Vectors are columns; the transpose of one is a row. Sizes are symbols, so that a shape that fits does so for all sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self, TypeVar

from latticework.calculus.dimensions import Dim

Shape = tuple[Dim, ...]


class Tree:
    """An operation, its operands, and what else it needs to know (a name, a number, sizes).

    Attributes
    ----------
    op
        Name of the operation.
    args
        Its operands.
    data
        A name, a number, or sizes, as the operation needs.
    shape
        No size for a scalar, one for a vector, two for a matrix.
    row
        Whether it is a row vector.
    depth
        Levels below and with it.
    """

    __slots__ = ("__weakref__", "args", "data", "depth", "op", "row", "shape")

    op: str
    args: tuple[Self, ...]
    data: Any
    shape: Shape
    row: bool
    depth: int

    @property
    def rank(self) -> int:
        """Number of axes: 0 for a scalar, 1 for a vector, 2 for a matrix."""
        return len(self.shape)

    @property
    def shape_text(self) -> str:
        """The shape in words."""
        return shape_text(self.shape, row=self.row)


AnyTree = TypeVar("AnyTree", bound=Tree)


def order(*roots: AnyTree) -> list[AnyTree]:
    """Every node once, operands before what uses them, without recursion."""
    seen: set[AnyTree] = set()
    result: list[AnyTree] = []
    stack: list[tuple[AnyTree, Iterator[AnyTree]]] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack.append((root, iter(root.args)))
        while stack:
            node, rest = stack[-1]
            for arg in rest:
                if arg not in seen:
                    seen.add(arg)
                    stack.append((arg, iter(arg.args)))
                    break
            else:
                result.append(node)
                stack.pop()
    return result


def variables(*roots: AnyTree) -> dict[str, AnyTree]:
    """The variables of expressions by name, in the order of their first use."""
    return {node.data[0]: node for node in order(*roots) if node.op == "var"}


def named(symbol: AnyTree) -> AnyTree:
    """The variable of a symbol, which may be its transpose."""
    return next(iter(variables(symbol).values()))


def symbols(*roots: Tree) -> set[str]:
    """The symbols of all sizes."""
    return {name for node in order(*roots) for size in node.shape for name in size.symbols} | {
        name for node in order(*roots) if node.op == "size" for name in node.data.symbols
    }


def count(root: Tree) -> int:
    """Nodes of the expression written out as a tree."""
    counts: dict[Tree, int] = {}
    for node in order(root):
        # An operation of several operands counts as the operators written between them.
        own = max(1, len(node.args) - 1) if node.op in ("add", "had", "mul") else 1
        counts[node] = own + sum(counts[arg] for arg in node.args)
    return counts[root]


def shape_text(shape: Shape, *, row: bool = False) -> str:
    """A shape in words: `scalar`, `vector of n`, `row of n`, `N×n matrix`."""
    if not shape:
        return "scalar"
    if len(shape) == 1:
        return f"{'row' if row else 'vector'} of {shape[0]}"
    sizes = "×".join(f"({size})" if " " in str(size) else str(size) for size in shape)
    return f"{sizes} {'matrix' if len(shape) == 2 else 'tensor'}"
