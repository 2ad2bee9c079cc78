"""The finaliser of splitmix64 (Steele et al. 2014): numbers that look random, from numbers that do not."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt64


def mix(values: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """A permutation of the numbers of 64 bits in which neighbours are far apart.

    Examples
    --------
    >>> [hex(number) for number in mix(np.array([0, 1], np.uint64)).tolist()]
    ['0xe220a8397b1dcdaf', '0x910a2dec89025cc1']
    """
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: UInt64[np.ndarray, "*shape"] = values ^ (values >> np.uint64(31))
    return mixed
