"""Packages whose public names are imported when first used (PEP 562), so that importing the package itself is quick."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package that imports its names, and its submodules, on first use.

    Parameters
    ----------
    package : str
        The package's `__name__`.
    names : mapping of str to str
        Public name to where it is, ``"module:attribute"``.

    Returns
    -------
    tuple of two functions
        To be assigned to `__getattr__` and `__dir__` in the package.

    Examples
    --------
    >>> get, names = attach("latticework", {"InputError": "latticework.core.errors:InputError"})
    >>> get("InputError").__name__
    'InputError'
    >>> "InputError" in names()
    True
    """

    def __getattr__(name: str) -> Any:
        if name in names:
            module, _, attribute = names[name].partition(":")
            value = getattr(importlib.import_module(module), attribute)
        elif not name.startswith("_") and importlib.util.find_spec(f"{package}.{name}"):
            value = importlib.import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        module = sys.modules[package]
        submodules = {found.name for found in pkgutil.iter_modules(module.__path__) if not found.name.startswith("_")}
        return sorted({*vars(module), *names, *submodules})

    return __getattr__, __dir__
