"""A module of torch from the tensors that were saved of it, which may have been changed since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from latticework.anomaly.encoders.checkpoint_keys import some
from latticework.core.errors import InputError

_Module = TypeVar("_Module", bound=nn.Module)


def rebuilt(build: Callable[[], _Module], tensors: Mapping[str, Tensor], what: str) -> _Module:
    """The module with exactly these tensors, in single precision, ready to be used.

    Parameters
    ----------
    build
        Makes one of its sizes; no memory is asked for its weights.
    tensors
        By name.
    what
        What it is called in errors.

    Raises
    ------
    InputError
        If tensors are missing, are none of its own, of another shape, or hold other than finite real numbers.

    Examples
    --------
    >>> tensors = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    >>> rebuilt(lambda: nn.Linear(2, 1), tensors, "a layer").weight.tolist()
    [[1.0, 1.0]]
    """
    with torch.device("meta"):
        module = build()
    expected = module.state_dict()
    if missing := sorted(set(expected) - set(tensors)):
        raise InputError(f"{what} needs {some(missing)}: not among its tensors")
    if unexpected := sorted(set(tensors) - set(expected)):
        raise InputError(f"{what} has no {some(unexpected)}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            raise InputError(f"{name} of {what} has the shape {shapes}")
        if not (tensor.is_floating_point() and tensor.isfinite().all()):
            raise InputError(f"{name} of {what} must hold finite real numbers")
    module.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return module.eval()
