"""The reference has every public name, and the glossary every axis."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import latticework

ROOT = Path(__file__).parents[1]
REFERENCE = "".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "api").glob("*.md")))
PACKAGES = sorted(
    ".".join(path.relative_to(ROOT / "src").parts[:-1]) for path in (ROOT / "src" / "latticework").rglob("__init__.py")
)


def axes_of(code: str) -> Iterator[str]:
    """Yield the names of axes in the annotations of a module: `batch` of `Float[Tensor, "*batch #heads 1"]`."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Subscript(
                value=ast.Name(id=kind),
                slice=ast.Tuple(elts=[ast.Name() | ast.Attribute(), ast.Constant(value=str(axes))]),
            ) if kind not in ("Annotated", "Literal"):
                yield from re.findall(r"[a-z]\w*", axes)


def axes_in(glossary: str) -> set[str]:
    """Return the names of axes that the table explains, in its first column or beside one of it in the second."""
    rows = re.findall(r"^\| `.*$", glossary, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`\*?(\w+)`", row)}


def test_every_axis_of_an_annotation_is_in_the_glossary() -> None:
    explained = axes_in((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
    used = {
        (name, path.name) for path in (ROOT / "src").rglob("*.py") for name in axes_of(path.read_text(encoding="utf-8"))
    }
    assert {name for name, _ in used} >= {"batch", "time", "tokens"}
    assert {(name, file) for name, file in used if name not in explained} == set()


def test_axes_are_found_wherever_a_shape_stands() -> None:
    code = 'def f(x: Float[Tensor, "*batch #heads 1"] | None) -> Int[np.ndarray, " tokens"]:\n    y: Literal["a", "b"]'
    assert sorted(axes_of(code)) == ["batch", "heads", "tokens"]


@pytest.mark.parametrize("package", [name for name in PACKAGES if name not in ("latticework", "latticework.cli")])
def test_every_public_name_is_in_the_reference(package: str) -> None:
    module = importlib.import_module(package)
    shown = re.findall(r"^::: (\S+)$", REFERENCE, re.MULTILINE)
    for name in getattr(module, "__all__", []):
        home = getattr(getattr(module, name), "__module__", package)  # constants have none
        assert package in shown or home in shown, f"{name} of {home}"


def test_every_name_of_the_package_is_in_its_table() -> None:
    for name in latticework.__all__:
        assert f"| `latticework.{name}" in REFERENCE
