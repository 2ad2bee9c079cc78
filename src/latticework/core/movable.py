"""Tensors that belong together, moved to a device together."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import torch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)

HOST = "host_"  # how the names of fields begin that stay where they are


class Movable(Protocol):
    """A tensor, or an object that holds some, which go to a device together."""

    def to(self, device: torch.device, /) -> Self:
        """Give it there."""
        ...


def moved(parts: T, device: torch.device | str) -> T:
    """A dataclass with its tensors, and what else can be moved, on a device.

    What cannot be moved, such as sizes, stays as it is, and so do fields named ``host_...``: they are for code that
    must not wait for a device.

    Parameters
    ----------
    parts
        An instance, which is left as it is.
    device
        Where to.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Rows:
    ...     host_lengths: torch.Tensor
    ...     lengths: torch.Tensor
    >>> rows = Rows(torch.tensor([2]), torch.tensor([2]))
    >>> there = moved(rows, "meta")
    >>> there.host_lengths.device.type, there.lengths.device.type
    ('cpu', 'meta')
    """
    changes: dict[str, Any] = {}
    for field in fields(parts):
        part = getattr(parts, field.name)
        if field.name.startswith(HOST) or not hasattr(part, "to"):
            continue
        if isinstance(part, torch.Tensor):
            # A copy from a device is waited for: it is read as soon as it is there.
            changes[field.name] = part.to(device, non_blocking=torch.device(device).type != "cpu")
        else:
            changes[field.name] = part.to(device)
    return replace(parts, **changes)
