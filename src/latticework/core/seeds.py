"""Repeatable randomness: one `random_state`, and an independent stream for every purpose."""

from __future__ import annotations

import hashlib
import secrets
from operator import index
from typing import Any, Final, SupportsIndex

from latticework.core.errors import InputError
from latticework.core.words import shortened

_BITS: Final = 63  # what NumPy, torch and a signed 64-bit integer all take


def seed_from(random_state: Any) -> int:
    """Return the seed that a `random_state` stands for.

    Parameters
    ----------
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator
        None gives fresh entropy; an int is the seed itself; from a generator a seed is drawn, which advances it.

    Returns
    -------
    int
        At least 0 and below 2**63.

    Raises
    ------
    InputError
        If `random_state` is negative, 2**63 or more, or of another type.

    Examples
    --------
    >>> seed_from(7)
    7
    """
    if random_state is None:
        return secrets.randbits(_BITS)
    if isinstance(random_state, SupportsIndex) and not isinstance(random_state, bool):
        seed = index(random_state)
        if not 0 <= seed < 2**_BITS:
            raise InputError(f"random_state must be at least 0 and below 2**{_BITS}, got {shortened(seed)}")
        return seed
    import numpy as np

    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**_BITS, dtype=np.uint64))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**_BITS, dtype=np.uint64))
    kind = type(random_state).__name__
    raise InputError(f"random_state must be None, an int, or a NumPy RandomState or Generator, got a {kind}")


def spawn(seed: int, name: str) -> int:
    """Return a seed for one purpose, independent of those for other purposes.

    Adding a purpose leaves the streams of the others as they were.

    Parameters
    ----------
    seed : int
        The seed of the run.
    name : str
        The purpose, such as ``"dropout"``.

    Returns
    -------
    int
        At least 0 and below 2**63; the same on every machine.

    Examples
    --------
    >>> spawn(0, "batches") == spawn(0, "batches"), spawn(0, "batches") == spawn(0, "dropout")
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big") >> (64 - _BITS)
