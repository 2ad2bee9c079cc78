"""A derivative: the stages by which it was found, its value in a layout, its steps, and its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from latticework.calculus.binding import Array, bound
from latticework.calculus.called import function
from latticework.calculus.choices import Layout
from latticework.calculus.evaluate import evaluate
from latticework.calculus.expression import Expr
from latticework.calculus.graph import Graph
from latticework.calculus.graph import graph as graph_of
from latticework.calculus.source import source as written
from latticework.calculus.stages import Stage
from latticework.calculus.steps import Step
from latticework.calculus.steps import steps as steps_of
from latticework.calculus.tree import Shape, variables


@dataclass(frozen=True, eq=False, repr=False)
class Derivative:
    """A derivative and how it was found.

    Attributes
    ----------
    expression
        What was differentiated.
    wrt
        The variable.
    stages
        Every differentiation, the first of the expression, each other one of the derivative before.
    layout
        Of the answer as it is shown: "numerator" or "denominator".
    """

    expression: Expr
    wrt: Expr
    stages: tuple[Stage, ...]
    layout: Layout

    @property
    def order(self) -> int:
        """How many times the expression was differentiated."""
        return len(self.stages)

    @property
    def value(self) -> Expr:
        """The derivative with the axes of the function first and then those of the variable, whatever the layout."""
        return self.stages[-1].value

    @property
    def shape(self) -> Shape:
        """The sizes of `value`."""
        return self.value.shape

    @property
    def before(self) -> Expr:
        """What the last differentiation was of: the function, or its derivative of one order less."""
        return self.stages[-1].function

    @property
    def symmetric(self) -> bool:
        """Whether the variable's entries above and below the diagonal count as one."""
        return self.stages[0].symmetric

    @property
    def result(self) -> Expr:
        """The answer in its layout."""
        return self._shown[0]

    @property
    def reading(self) -> str:
        """How `result` is laid out: see `Step.reading`."""
        return self._shown[1]

    @cached_property
    def _shown(self) -> tuple[Expr, str]:
        return self.stages[-1].shown(self.layout)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every step, each an equality: the first begins with the expression, the last ends with the answer."""
        return steps_of(self.stages, self.layout)

    @cached_property
    def graph(self) -> Graph:
        """The data-flow graph of the expression in its stable form, with a name for every intermediate result."""
        return graph_of(self.stages[0].stable, self.wrt)

    @property
    def parameters(self) -> dict[str, Expr]:
        """The variables of the expression, in the order of their first use, and the one differentiated by."""
        return variables(self.expression, self.wrt)

    def evaluate(self, /, **arrays: Any) -> Array:
        """The derivative as an array `[axes of the function..., axes of the variable...]`.

        It is computed node by node, diagonal matrices written out: the function for data is that of `to_numpy`.

        Parameters
        ----------
        **arrays
            A value for every variable; those of variables that dropped out are only looked at for their sizes.

        Raises
        ------
        InputError
            If a value is missing, or its shape does not fit.

        Examples
        --------
        >>> from latticework.calculus.derivation import derive
        >>> derive("x'*A*x", "x").evaluate(A=[[1, 2], [3, 4]], x=[1, 0]).tolist()
        [2.0, 5.0]
        """
        return evaluate(self.value, _with_dropped(self.parameters, self.value, arrays))

    def source(self, language: str = "numpy", *, name: str = "derivative") -> str:
        """The code of a function that computes `value`: "numpy", "torch" or "jax"; see `source.source`."""
        return written(self.value, language, name=name, parameters=self.parameters)

    def to_numpy(self) -> Callable[..., Any]:
        """A function of NumPy arrays that computes `value`, by position in the order of the expression, or by name."""
        return self._function("numpy")

    def to_torch(self) -> Callable[..., Any]:
        """The same for torch tensors."""
        return self._function("torch")

    def to_jax(self) -> Callable[..., Any]:
        """The same for JAX arrays."""
        return self._function("jax")

    def _function(self, language: str) -> Callable[..., Any]:
        return function(self.value, language, parameters=self.parameters)

    def __str__(self) -> str:
        return str(self.result)

    def __repr__(self) -> str:
        return f"<derivative of {self.expression} with respect to {self.wrt}: {self.result}>"


def _with_dropped(named: Mapping[str, Expr], value: Expr, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The values, and the sizes that only variables tell which the derivative does not have any more."""
    remaining = variables(value)
    dropped = {name: node for name, node in named.items() if name not in remaining and name in arrays}
    _, sizes = bound({**remaining, **dropped}, arrays)
    return {**sizes, **{name: arrays[name] for name in remaining}}
