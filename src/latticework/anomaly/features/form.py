"""Where a patch lies in its part: along and across it, how far from its outline, and how high above its middle plane.

Patches by themselves do not know of the part: of one that is bent each looks like one of a good part. But two
centimetres from the middle, one is not so near to the outline, or so high. Places are those in the part's own frame,
its principal axes, so that it may lie anywhere, turned in the picture or tilted; they are shares of its size.

The axes have no sign: which end is which is not known. Both ends look alike here, so what makes them differ is not seen
to be swapped. Pixels are taken to be square, with the camera's x axis along the rows: places come from rows and
columns, and only the size of a pixel from the points.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64
from scipy import ndimage
from torch import Tensor

from latticework.anomaly.features.patch_maps import PatchMap, enough, pooled

CHANNELS = 4


def form(xyz: Float[Tensor, "batch 3 height width"] | None, foreground: Bool[Tensor, "batch height width"]) -> PatchMap:
    """Distance from the middle along the part and across it, distance from its outline, height above its plane.

    Parameters
    ----------
    xyz
        Points of the part, NaN elsewhere; None if there are only colours: then all parts are as flat as the picture.
    foreground
        Where the part is.

    Returns
    -------
    PatchMap
        In units of the part's size, the root mean square distance of its pixels from their middle.

    Examples
    --------
    >>> bar = torch.zeros(1, 64, 64, dtype=torch.bool)
    >>> bar[:, 24:40] = True
    >>> found = form(None, bar)
    >>> found.features.shape, found.judged.sum().item()
    (torch.Size([1, 4, 8, 8]), 16)
    >>> found.features[0, 0, 3].round(decimals=1).tolist()  # along the bar, both ways
    [1.5, 1.1, 0.6, 0.2, 0.2, 0.6, 1.1, 1.5]
    """
    maps = [
        _form(part, None if xyz is None else points)
        for part, points in zip(foreground.numpy(), foreground if xyz is None else xyz.numpy(), strict=True)
    ]
    values = torch.from_numpy(np.stack(maps))
    share, means = pooled(values[:, :-1].nan_to_num(nan=0.0), foreground)
    _, heights = pooled(values[:, -1:].nan_to_num(nan=0.0), ~values[:, -1].isnan())
    return PatchMap(torch.cat([means, heights], dim=1), enough(share))


def _form(
    part: Bool[np.ndarray, "height width"], points: Float32[np.ndarray, "3 height width"] | None
) -> Float32[np.ndarray, "channels height width"]:
    """The four numbers of each pixel; NaN beside the part, and for the last one where nothing returned."""
    found = np.full((CHANNELS, *part.shape), np.nan, np.float32)
    rows, columns = np.nonzero(part)
    if len(rows) < CHANNELS:
        return found
    seen = part if points is None else part & ~np.isnan(points[2])
    step, heights = 1.0, np.zeros(np.count_nonzero(seen))
    if points is not None and len(heights) >= CHANNELS:
        step, heights = _step(points, seen), _heights(points[:, seen].T.astype(np.float64))
    places = np.stack([columns, rows], axis=1) * step
    places = places - places.mean(0)
    variances, axes = np.linalg.eigh(places.T @ places / len(places))
    size = max(float(np.sqrt(variances.sum())), step)
    across, along = np.abs(places @ axes).T
    outline = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1][part] * step
    found[:-1, part] = np.stack([along, across, outline]) / size
    found[-1, seen] = heights / size
    return found


def _heights(points: Float64[np.ndarray, "points 3"]) -> Float64[np.ndarray, " points"]:
    """Metres above the plane that fits all points best along the line of sight, more than zero towards the camera."""
    table = np.column_stack([points[:, :2] - points[:, :2].mean(0), np.ones(len(points))])
    plane, *_ = np.linalg.lstsq(table, points[:, 2], rcond=None)
    heights: Float64[np.ndarray, " points"] = table @ plane - points[:, 2]
    return heights


def _step(points: Float32[np.ndarray, "3 height width"], seen: Bool[np.ndarray, "height width"]) -> float:
    """Metres from one pixel of the part to the next: the median of neighbours in a row, seen from the front.

    In a scan that was enlarged many pixels are the one before again: the steps between others then count for them too.
    """
    steps = np.abs(points[0, :, 1:] - points[0, :, :-1])[seen[:, 1:] & seen[:, :-1]]
    taken = steps[steps > 0]
    return float(np.median(taken)) * (len(taken) / len(steps)) if len(taken) else 1.0
