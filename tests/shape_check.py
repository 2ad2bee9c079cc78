"""Shapes and dtypes are checked while the tests run, in every module that writes them into annotations.

jaxtyping gives each call its axes. Of the annotations those of arrays alone are checked: all others are mypy's. A call
whose arguments have the shapes and dtypes of one that passed is not checked again, which would take most of the time.
What does not have the shapes told may be refused with an `InputError`, as by what users call it must.
"""

import ast
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, get_args

import numpy as np
from beartype import beartype
from jaxtyping import AbstractArray, TypeCheckError, config, jaxtyped
from torch import Tensor

from latticework.core.errors import InputError

SOURCE: Final = Path(__file__).resolve().parents[1] / "src"
COMPILED: Final = {"latticework.mediation.scan"}  # by Numba, from plain functions
DECORATOR: Final = "_shapes_checked"


def annotated() -> list[str]:
    """Give the names of the modules whose annotations have shapes."""
    names = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCE.rglob("*.py")
        if "from jaxtyping import" in path.read_text(encoding="utf-8")
    }
    return sorted(names - COMPILED)


def install() -> None:
    """Check the modules that are imported from now on; JAXTYPING_DISABLE=1 leaves them alone."""
    if not config.jaxtyping_disable:
        sys.meta_path.insert(0, _Finder(frozenset(annotated())))


def checked(function: Any) -> Any:
    """Check what a function, or the initialisation of a dataclass, is given and returns."""
    if isinstance(function, type):
        if is_dataclass(function):
            function.__init__ = checked(function.__init__)
        return function
    if not any(map(_holds_arrays, _hints(function).values())):
        return function
    thorough = jaxtyped(function, typechecker=_of_arrays)
    passed: set[Hashable] = set()

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        seen = (*map(_form, args), *kwargs, *map(_form, kwargs.values()))
        if seen in passed:
            return function(*args, **kwargs)
        try:
            returned = thorough(*args, **kwargs)
        except TypeCheckError as error:
            if f"the parameters of {function.__module__}.{function.__qualname__}." in str(error):
                _refuses(function, args, kwargs)
            raise
        passed.add(seen)
        return returned

    return call


@contextmanager
def any_shapes() -> Iterator[None]:
    """Put together what does not fit, to see that others refuse it."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)


def _refuses(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Let a function refuse what does not have the shapes that it tells."""
    try:
        function(*args, **kwargs)
    except InputError as error:
        raise error from None
    except Exception:  # not because of what is wrong
        return


def _form(value: object) -> Hashable:
    """What shapes depend on: of arrays theirs, and of tuples, lists and dataclasses those of what they hold."""
    if isinstance(value, Tensor | np.ndarray):
        return type(value), value.dtype, value.shape
    if isinstance(value, tuple | list):
        return type(value), len(value), *map(_form, value[:8])
    if is_dataclass(value):
        return type(value), *(_form(held) for held in vars(value).values() if isinstance(held, Tensor | np.ndarray))
    return type(value)


def _of_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    function.__annotations__ = {name: hint for name, hint in _hints(function).items() if _holds_arrays(hint)}
    return beartype(function)


def _hints(function: Callable[..., Any]) -> dict[str, object]:
    hints = {}
    for name, hint in function.__annotations__.items():
        with suppress(NameError):  # what only type checkers import
            hints[name] = eval(hint, function.__globals__) if isinstance(hint, str) else hint  # noqa: S307 - source code
    return hints


def _holds_arrays(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(map(_holds_arrays, get_args(hint)))


class _Finder(MetaPathFinder):
    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        spec = PathFinder.find_spec(name, path, target) if name in self.names else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path))
        for node in ast.walk(tree):
            mark = ast.Name(DECORATOR, ast.Load())
            if isinstance(node, ast.FunctionDef):
                node.decorator_list.append(mark)  # the first that is applied
            elif isinstance(node, ast.ClassDef):
                node.decorator_list.insert(0, mark)  # the last: after `dataclass`
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[DECORATOR] = checked
        super().exec_module(module)
