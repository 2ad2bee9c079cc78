"""A scan made ready for extractors: the part told from its ground, on a square of one size (M3DM, section 3.1).

Differs from the paper: colours stay as they are beside the part; the foreground says that they do not count there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Shaped
from torch import Tensor

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.part_warnings import warn
from latticework.anomaly.preparation.parts import find_part
from latticework.anomaly.preparation.squares import Square
from latticework.anomaly.scans.samples import Sample
from latticework.core.checks import whole_number
from latticework.core.errors import InputError

SIZE: Final = 224  # the paper's


@dataclass(frozen=True, eq=False)
class Frame:
    """A scan, as extractors read it.

    Attributes
    ----------
    rgb
        Colours from 0 to 1, or None.
    xyz
        Points of the part in metres, NaN beside it and where nothing returned; or None.
    foreground
        Where the part is.
    square
        Where the scan lies in it: what gives its maps back in their own size.
    doubt
        Why everything is taken for the part; empty if it was told apart.
    """

    rgb: Float32[Tensor, "3 size size"] | None
    xyz: Float32[Tensor, "3 size size"] | None
    foreground: Bool[Tensor, "size size"]
    square: Square
    doubt: str = ""


def frame(sample: Sample, size: int = SIZE, *, pieces: float = M3DMConfig.pieces) -> Frame:
    """A scan made ready for extractors of features; of 224 x 224 pixels it takes 1.3 MB.

    Parameters
    ----------
    sample
        Of any size.
    size
        Height and width to bring it to: what is not square is padded, and nothing stretched.
    pieces
        As in `find_part`.

    Raises
    ------
    InputError
        If nothing of it is left at that size, or `size` or `pieces` cannot be.

    Warns
    -----
    UserWarning
        If the part cannot be told from what is behind it: then everything is judged.

    Examples
    --------
    >>> rgb = np.full((48, 64, 3), 200, dtype=np.uint8)
    >>> rgb[10:30, 20:40] = 90
    >>> made = frame(Sample.of(rgb=rgb), 64)
    >>> made.rgb.shape, made.xyz, made.foreground[[0, 8, 27], 30].tolist()
    (torch.Size([3, 64, 64]), None, [False, False, True])
    """
    square = Square(*sample.size, whole_number("size", size))
    rgb = None if sample.rgb is None else square.smooth(sample.rgb).contiguous()
    # A large scan is made smaller before the part is looked for, which takes as long as there are pixels.
    small = sample if square.rows >= square.height else _reduced(sample, square, rgb)
    part = find_part(small, pieces=pieces)
    mask = square.nearest(part.mask, fill=False)
    points = None
    if small.xyz is not None:
        kept = square.nearest(small.xyz, fill=np.nan)
        kept[~mask] = np.nan
        points = torch.from_numpy(kept).permute(2, 0, 1).contiguous()
    if part.doubt:
        warn(sample.name, part.doubt)
    return Frame(rgb, points, torch.from_numpy(mask), square, part.doubt)


def _reduced(sample: Sample, square: Square, rgb: Float32[Tensor, "3 size size"] | None) -> Sample:
    """A scan of as many pixels as its square has for it."""

    def nearest(values: Shaped[np.ndarray, "height width *channels"] | None, fill: int | float) -> Any:
        return None if values is None else square.nearest(values, fill)[square.box]

    xyz, mask = nearest(sample.xyz, np.nan), nearest(sample.mask, False)
    if xyz is not None and np.isnan(xyz).all():
        raise InputError(f"{sample.name}: of its few points none is left at {square.size} x {square.size}")
    if mask is not None and not mask.any():
        raise InputError(f"{sample.name}: of its mask nothing is left at {square.size} x {square.size}")
    colours = None if rgb is None else (rgb[:, *square.box] * 255).round().byte().permute(1, 2, 0).numpy()
    return replace(sample, rgb=colours, xyz=xyz, mask=mask, truth=None)
