"""Small scans, and files of them, for the tests of what reads them."""

from collections.abc import Callable

import numpy as np

from latticework.core.errors import InputError


def scan(height: int = 4, width: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points some centimetres wide in front of the camera, some without return, and colours."""
    generator = np.random.default_rng(seed)
    xyz = generator.uniform(-0.1, 0.1, (height, width, 3)).astype(np.float32)
    xyz[..., 2] += 0.5
    xyz[generator.random((height, width)) < 0.2] = np.nan
    xyz[-1, -1] = 0.1, -0.0, 1 / 3
    return xyz, generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def same(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two arrays are the same to the last bit, but for what kind of NaN there is."""
    return (
        first.dtype == second.dtype
        and first.shape == second.shape
        and (
            np.where(np.isnan(first), np.float32(1e9), first).tobytes()
            == np.where(np.isnan(second), np.float32(1e9), second).tobytes()
            if first.dtype.kind == "f"
            else first.tobytes() == second.tobytes()
        )
    )


def refused(read: Callable[[], object]) -> str | None:
    """What a reader says of what it refuses; any other error is one of the test."""
    try:
        read()
    except InputError as error:
        return str(error)
    return None
