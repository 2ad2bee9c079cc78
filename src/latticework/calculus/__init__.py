"""Matrix calculus (Parr & Howard 2018): derive, explain, check and export derivatives of matrix expressions."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.calculus.course import lesson
    from latticework.calculus.derivation import Derivation, derive, gradient, hessian, jacobian
    from latticework.calculus.expression import Expr, variable
    from latticework.calculus.graph import Graph
    from latticework.calculus.lessons import Lesson
    from latticework.calculus.marking import Check, Counterexample, check
    from latticework.calculus.parser import parse
    from latticework.calculus.rules import Rule
    from latticework.calculus.steps import Step
    from latticework.calculus.verify import Verification

__all__ = [
    "derive",
    "gradient",
    "jacobian",
    "hessian",
    "check",
    "lesson",
    "parse",
    "variable",
    "Derivation",
    "Step",
    "Rule",
    "Graph",
    "Check",
    "Counterexample",
    "Verification",
    "Lesson",
    "Expr",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "derive": "latticework.calculus.derivation:derive",
        "gradient": "latticework.calculus.derivation:gradient",
        "jacobian": "latticework.calculus.derivation:jacobian",
        "hessian": "latticework.calculus.derivation:hessian",
        "check": "latticework.calculus.marking:check",
        "lesson": "latticework.calculus.course:lesson",
        "parse": "latticework.calculus.parser:parse",
        "variable": "latticework.calculus.expression:variable",
        "Derivation": "latticework.calculus.derivation:Derivation",
        "Step": "latticework.calculus.steps:Step",
        "Rule": "latticework.calculus.rules:Rule",
        "Graph": "latticework.calculus.graph:Graph",
        "Check": "latticework.calculus.marking:Check",
        "Counterexample": "latticework.calculus.marking:Counterexample",
        "Verification": "latticework.calculus.verify:Verification",
        "Lesson": "latticework.calculus.lessons:Lesson",
        "Expr": "latticework.calculus.expression:Expr",
    },
)
