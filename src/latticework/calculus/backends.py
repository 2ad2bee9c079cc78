"""The libraries that code is for."""

from __future__ import annotations

from typing import get_args

from latticework.calculus.choices import Language
from latticework.core.checks import one_of


def check_language(language: str) -> None:
    """Refuse a language that there is no code in."""
    one_of("language", language, get_args(Language))


def sums_up(data: tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]) -> bool:
    """Whether an einsum adds anything up; one that does not has only one order, so none is searched for."""
    inputs, output = data
    return {label for labels in inputs for label in labels} != set(output)
