"""Matrix calculus (Parr & Howard 2018): derive, explain, check and export derivatives of matrix expressions."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.calculus.check import Check, Counterexample, check
    from latticework.calculus.derivation import Derivation, derive, gradient, hessian, jacobian
    from latticework.calculus.expression import Expr, variable
    from latticework.calculus.graph import Graph
    from latticework.calculus.lessons import Lesson, lesson
    from latticework.calculus.parser import parse
    from latticework.calculus.rules import RULES, Rule
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
    "RULES",
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
        "check": "latticework.calculus.check:check",
        "lesson": "latticework.calculus.lessons:lesson",
        "parse": "latticework.calculus.parser:parse",
        "variable": "latticework.calculus.expression:variable",
        "Derivation": "latticework.calculus.derivation:Derivation",
        "Step": "latticework.calculus.steps:Step",
        "Rule": "latticework.calculus.rules:Rule",
        "RULES": "latticework.calculus.rules:RULES",
        "Graph": "latticework.calculus.graph:Graph",
        "Check": "latticework.calculus.check:Check",
        "Counterexample": "latticework.calculus.check:Counterexample",
        "Verification": "latticework.calculus.verify:Verification",
        "Lesson": "latticework.calculus.lessons:Lesson",
        "Expr": "latticework.calculus.expression:Expr",
    },
)
