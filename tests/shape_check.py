"""Shapes and dtypes are checked while the tests run, in every module that writes them into annotations.

jaxtyping gives each call its axes; of the annotations, those of arrays alone are checked here: all others are mypy's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args

from beartype import beartype
from jaxtyping import AbstractArray

SOURCE: Final = Path(__file__).resolve().parents[1] / "src"


def annotated() -> list[str]:
    """Give the names of the modules whose annotations have shapes."""
    return sorted(
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCE.rglob("*.py")
        if "from jaxtyping import" in path.read_text(encoding="utf-8")
    )


def arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check what a function is given and returns against those of its annotations that tell of arrays."""
    function.__annotations__ = {name: kind for name, kind in function.__annotations__.items() if _of_arrays(kind)}
    return beartype(function)


def _of_arrays(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, AbstractArray):
        return True
    return any(_of_arrays(part) for part in get_args(annotation))
