"""What a capability offers to the ways in, and the registry of those that are installed."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from latticework.core.errors import InputError
from latticework.core.words import shortened

GROUP: Final = "latticework.capabilities"


@dataclass(frozen=True, kw_only=True)
class Capability:
    """A user's job: its name and, as ``"module:attribute"`` references that are imported when used, what it offers.

    Attributes
    ----------
    name : str
        The same as the entry point's.
    summary : str
        One line for lists of commands and capabilities.
    estimators : tuple of str
        Its estimator classes.
    command : str or None
        What its commands are called on the command line.
    commands : str or None
        The ``typer.Typer`` that holds them.
    tour_stop : str or None
        The function that runs its part of the tour.
    datasets : tuple of str
        Its public data sets (`latticework.core.datasets.Dataset`).
    """

    name: str
    summary: str
    estimators: tuple[str, ...] = ()
    command: str | None = None
    commands: str | None = None
    tour_stop: str | None = None
    datasets: tuple[str, ...] = ()


_registered: ContextVar[tuple[Capability, ...]] = ContextVar("registered", default=())


def capabilities() -> tuple[Capability, ...]:
    """Return the installed capabilities, sorted by name.

    They are the entry points of the group ``latticework.capabilities``; one that cannot be imported is left out, with a
    warning.

    Raises
    ------
    RuntimeError
        If two have the same name.

    Examples
    --------
    >>> with register(Capability(name="juggling", summary="keep balls in the air")):
    ...     [capability.summary for capability in capabilities() if capability.name == "juggling"]
    ['keep balls in the air']
    """
    found: dict[str, Capability] = {}
    for capability in (*_installed(), *_registered.get()):
        if capability.name in found:
            raise RuntimeError(f"two capabilities are called {capability.name!r}: uninstall or rename one")
        found[capability.name] = capability
    return tuple(found[name] for name in sorted(found))


@contextmanager
def register(capability: Capability) -> Iterator[Capability]:
    """Add a capability without installing it, until the context is left; for tests and notebooks.

    Parameters
    ----------
    capability : Capability
        What to add.

    Yields
    ------
    Capability
        The same.
    """
    token = _registered.set((*_registered.get(), capability))
    try:
        yield capability
    finally:
        _registered.reset(token)


def resolve(reference: str) -> Any:
    """Import what a ``"module:attribute"`` reference names.

    Examples
    --------
    >>> resolve("latticework.core.errors:InputError").__name__
    'InputError'
    """
    module, colon, attribute = reference.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"{reference!r} is not a reference: expected 'module:attribute'")
    return getattr(importlib.import_module(module), attribute)


def estimator_references() -> dict[str, str]:
    """Return the reference of every registered estimator under its key, ``"capability.Class"``."""
    return {
        f"{capability.name}.{reference.rpartition(':')[2]}": reference
        for capability in capabilities()
        for reference in capability.estimators
    }


def estimator_class(key: str) -> type:
    """Return the estimator class registered under a key.

    Parameters
    ----------
    key : str
        Such as ``"translation.TransformerTranslator"``.

    Raises
    ------
    InputError
        If there is none.
    """
    references = estimator_references()
    if key not in references:
        known = ", ".join(sorted(references)) or "none"
        raise InputError(
            f"there is no estimator {shortened(key)}; known here: {known}. Is a package that adds it not installed?"
        )
    found: type = resolve(references[key])
    return found


def estimator_key(estimator: type) -> str:
    """Return the key under which an estimator class is registered.

    Parameters
    ----------
    estimator : type
        The class itself, not a subclass of a registered one.

    Raises
    ------
    InputError
        If no capability declares it.
    """
    for key, reference in estimator_references().items():
        if reference.rpartition(":")[2] == estimator.__name__ and resolve(reference) is estimator:
            return key
    raise InputError(f"{estimator.__name__} is not declared by any capability, so a saved one could not be loaded")


@cache
def _installed() -> tuple[Capability, ...]:
    found = []
    for entry in _distinct_entry_points():
        try:
            capability = entry.load()
            if not (isinstance(capability, Capability) and capability.name == entry.name):
                raise TypeError(f"{entry.value} is not a Capability named {entry.name!r}")
        except Exception as error:  # another's package must not take the rest down with it
            source = entry.dist.name if entry.dist else "an unknown package"
            reason = f"{type(error).__name__}: {error}"
            message = f"the capability {entry.name!r} of {source} cannot be used ({reason})"
            warnings.warn(message, RuntimeWarning, stacklevel=3)
        else:
            found.append(capability)
    return tuple(found)


def _distinct_entry_points() -> list[EntryPoint]:
    return list({(entry.name, entry.value): entry for entry in entry_points(group=GROUP)}.values())
