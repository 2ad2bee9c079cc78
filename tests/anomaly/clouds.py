"""Organised clouds whose shape is known."""

import math

import numpy as np
import torch

STEP = 0.0005  # metres from pixel to pixel


def picture(depth, *, step=STEP):
    """The cloud [1, 3, height, width] of a picture of depths in metres, its middle at x = y = 0."""
    height, width = depth.shape
    rows = (torch.arange(height, dtype=depth.dtype) - height // 2) * step
    columns = (torch.arange(width, dtype=depth.dtype) - width // 2) * step
    return torch.stack([columns.expand(height, -1), rows[:, None].expand(-1, width), depth])[None]


def grid(side, *, step=STEP, dtype=torch.float64):
    """Rows and columns in metres, about the middle of the picture."""
    line = (torch.arange(side, dtype=dtype) - side // 2) * step
    return torch.meshgrid(line, line, indexing="ij")


def ball(side, radius, *, hollow=False, dtype=torch.float64):
    """A piece of a sphere, half a metre away: its near side, or its far side seen from within."""
    rows, columns = grid(side, dtype=dtype)
    bulge = (radius**2 - rows**2 - columns**2).sqrt()
    return picture(0.5 + bulge if hollow else 0.5 - bulge)


def bumpy(side=32, *, seed=0, noise=5e-5, dtype=torch.float64):
    """A part with waves on it, that a sensor has scanned."""
    rows, columns = grid(side, dtype=dtype)
    depth = 0.5 - 0.002 * torch.cos(400 * rows) * torch.cos(300 * columns) + 0.2 * columns + 0.1 * rows
    random = torch.Generator().manual_seed(seed)
    return picture(depth + noise * torch.randn(side, side, generator=random, dtype=dtype))


def with_holes(xyz, share=0.1, *, seed=1):
    """NaN in some of the pixels."""
    random = torch.Generator().manual_seed(seed)
    lost = torch.rand(xyz.shape[0], 1, *xyz.shape[2:], generator=random) < share
    return xyz.masked_fill(lost, math.nan)


def rotation(seed, *, dtype=torch.float64):
    """A rotation by whatever angle about whatever axis."""
    random = torch.Generator().manual_seed(seed)
    turned = torch.linalg.qr(torch.randn(3, 3, generator=random, dtype=dtype)).Q
    return turned * torch.linalg.det(turned)


def moved(xyz, turn, shift=(0.0, 0.0, 0.0)):
    """The same picture of the same thing, which has been turned and shifted."""
    return torch.einsum("ij,bjhw->bihw", turn, xyz) + torch.tensor(shift, dtype=xyz.dtype)[:, None, None]


def neighbours_of(xyz, radius, step, gap):
    """By loops: for each pixel with a point, those in its window that are near enough, as numbers of pixels."""
    points = xyz[0].permute(1, 2, 0).numpy()
    height, width, _ = points.shape
    found = []
    for row in range(height):
        for column in range(width):
            near = []
            for down in range(-radius, radius + 1, step):
                for right in range(-radius, radius + 1, step):
                    i, j = row + down, column + right
                    if (down or right) and 0 <= i < height and 0 <= j < width:
                        distance = np.linalg.norm(points[i, j] - points[row, column])
                        if distance <= gap:  # not so for NaN
                            near.append(i * width + j)
            found.append(near)
    return found
