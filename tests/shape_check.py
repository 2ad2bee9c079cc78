"""Shapes and dtypes are checked while the tests run, in every module that writes them into annotations.

jaxtyping gives each call its axes. Of the annotations those of arrays alone are checked: all others are mypy's. A call
whose arguments have the shapes and dtypes of one that passed is not checked again, which would take most of the time;
of the calls of a function beyond the first thousand of a test, only one in eight is looked at.
What does not have the shapes told may be refused with an `InputError`, as by what users call it must.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cache, wraps
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
OFTEN: Final = 1000  # calls of a function in a test, beyond which every eighth is looked at
RARER: Final = 8
_times: dict[Callable[..., Any], int] = {}


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


def begin_a_test() -> None:
    """Look at every call again."""
    _times.clear()


def checked(function: Any) -> Any:
    """Check what a function, or the initialisation of a dataclass or a named tuple, is given and returns.

    Of a class, those methods are checked besides that tell of the class itself: it is not there when they are made.
    """
    if not isinstance(function, type):
        return _checked(function, function.__globals__)
    names = vars(sys.modules[function.__module__]) | {function.__name__: function}
    if issubclass(function, tuple) and hasattr(function, "_fields"):
        function.__new__ = staticmethod(_checked(function.__new__, names))
    for name, member in list(vars(function).items()):
        if inspect.isfunction(member) and not hasattr(member, "__wrapped__"):
            wrapped = _checked(member, names)
            if wrapped is not member:
                setattr(function, name, wrapped)
    return function


def _checked(function: Callable[..., Any], names: dict[str, Any]) -> Callable[..., Any]:
    hints = {name: hint for name, hint in hints_of(function, names)[0].items() if holds_arrays(hint)}
    if not hints:
        return function
    function.__annotations__ = function.__annotations__ | hints  # jaxtyping knows not all names
    thorough: Callable[..., Any] | None = None  # many are never called
    passed: set[Hashable] = set()

    def of_arrays(part: Callable[..., Any]) -> Callable[..., Any]:
        part.__annotations__ = {name: hint for name, hint in part.__annotations__.items() if holds_arrays(hint)}
        return beartype(part)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal thorough
        times = _times[function] = _times.get(function, 0) + 1
        if times > OFTEN and times % RARER:
            return function(*args, **kwargs)
        if thorough is None:
            thorough = jaxtyped(function, typechecker=of_arrays)
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
    return _way(type(value))(value)


@cache  # checks of types take longer than the rest
def _way(kind: type) -> Callable[[Any], Hashable]:
    if issubclass(kind, Tensor | np.ndarray):
        return _form_of_array
    if issubclass(kind, tuple | list):
        return _form_of_some
    return _form_of_fields if is_dataclass(kind) else type


def _form_of_array(array: Any) -> Hashable:
    return type(array), array.dtype, array.shape


def _form_of_some(values: Any) -> Hashable:
    return type(values), len(values), *map(_form, values[:8])


def _form_of_fields(value: Any) -> Hashable:
    held = vars(value).values()
    return type(value), *(_form_of_array(each) for each in held if _way(type(each)) is _form_of_array)


def hints_of(function: Any, names: dict[str, Any]) -> tuple[dict[str, object], set[str]]:
    """Give the annotations of a function or a class, and the names of those that tell of what is not there (yet)."""
    hints, unknown = {}, set()
    for name, hint in inspect.get_annotations(function).items():
        written = getattr(hint, "__forward_arg__", hint)
        try:
            hints[name] = eval(written, names) if isinstance(written, str) else hint  # noqa: S307 - source code
        except NameError:  # what only type checkers import, or what comes later
            unknown.add(name)
    return hints, unknown


def holds_arrays(hint: object) -> bool:
    """Whether an annotation tells of an array."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(map(holds_arrays, get_args(hint)))


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
