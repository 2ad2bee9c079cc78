"""Scans of things on tilted tables, of which everything is known."""

import numpy as np

DISTANCE = 0.5  # metres to the table, in the middle of the picture
FIELD = 0.4  # of what is seen there, its width over its distance


def rays(height: int, width: int) -> np.ndarray:
    """Where each pixel looks, a metre away."""
    pitch = FIELD / max(height, width)
    row, column = np.mgrid[:height, :width].astype(np.float64)
    return np.stack([(column - (width - 1) / 2) * pitch, (row - (height - 1) / 2) * pitch, np.ones_like(row)], axis=-1)


def normal_of(tilt: float, turn: float = 0.6) -> np.ndarray:
    """Of a table that leans by so many degrees, toward the camera."""
    lean = np.deg2rad(tilt)
    return -np.array([np.sin(lean) * np.cos(turn), np.sin(lean) * np.sin(turn), np.cos(lean)])


def table(
    height: int = 224,
    width: int = 224,
    *,
    tilt: float = 20.0,
    noise: float = 0.00015,
    missing: float = 0.003,
    seed: int = 0,
    heights: np.ndarray | float = 0.0,
) -> np.ndarray:
    """A table as a camera sees it, and on it what is so many metres high.

    Noise is along the ray and grows with the square of the distance; some pixels have no return.
    """
    generator = np.random.default_rng(seed)
    look, normal = rays(height, width), normal_of(tilt)
    depth = (np.asarray(heights) + normal[2] * DISTANCE) / (look @ normal)
    depth = depth + noise * (depth / DISTANCE) ** 2 * generator.standard_normal(depth.shape)
    xyz = (look * depth[..., None]).astype(np.float32)
    xyz[generator.random(depth.shape) < missing] = np.nan
    return xyz


def disc(height: int, width: int, row: float, column: float, radius: float) -> np.ndarray:
    """Where a disc is."""
    down, right = np.mgrid[:height, :width]
    return (down - row) ** 2 + (right - column) ** 2 <= radius**2


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union."""
    return float((first & second).sum() / (first | second).sum())


def block(height: int = 100, width: int = 100) -> np.ndarray:
    """A block alone: its flat face, and the sides that fall off behind it."""
    look = rays(height, width)
    away = np.abs(np.mgrid[:height, :width] - (height - 1) / 2).max(axis=0)
    depth = 0.4 + 0.002 * np.clip(away - 25, 0, None)
    depth[away > 40] = np.nan
    return (look * depth[..., None]).astype(np.float32)


def ball(height: int = 100, width: int = 100) -> np.ndarray:
    """A ball that fills the picture."""
    look = rays(height, width)
    centre, radius = np.array([0, 0, 0.5]), 0.2
    along = look @ centre
    squared = (look**2).sum(axis=-1)
    depth = (along - np.sqrt(along**2 - squared * (centre @ centre - radius**2))) / squared
    return (look * depth[..., None]).astype(np.float32)
