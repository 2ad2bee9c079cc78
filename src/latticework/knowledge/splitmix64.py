"""splitmix64 (Steele et al. 2014): numbers that look random, from numbers that do not."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import UInt64

STEP: Final = np.uint64(0x9E3779B97F4A7C15)  # between the states of its counter
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


def mix(values: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """A permutation of the numbers of 64 bits in which neighbours are far apart: a step, then the output function.

    Examples
    --------
    >>> [hex(number) for number in mix(np.array([0, 1], np.uint64)).tolist()]
    ['0xe220a8397b1dcdaf', '0x910a2dec89025cc1']
    """
    return output(values + STEP)


def output(states: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """The output function, of states of the counter.

    Examples
    --------
    >>> hex(output(np.array([STEP]))[0])
    '0xe220a8397b1dcdaf'
    """
    mixed: UInt64[np.ndarray, "*shape"] = states ^ (states >> np.uint64(30))
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed
