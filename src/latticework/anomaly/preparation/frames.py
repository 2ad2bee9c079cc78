"""Scans made ready for extractors: the part told from its ground, and all on a square of one size (M3DM, section 3.1).

Differs from the paper: colours stay as they are beside the part; the foreground says that they do not count there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Shaped
from torch import Tensor

from latticework.anomaly.config import M3DMConfig
from latticework.anomaly.part_warnings import once, warn
from latticework.anomaly.preparation.parts import find_part
from latticework.anomaly.preparation.squares import Square
from latticework.anomaly.scans.samples import Sample
from latticework.core.checks import whole_number
from latticework.core.errors import InputError

SIZE: Final = 224  # the paper's


@dataclass(frozen=True, eq=False)
class Frames:
    """Scans of one size, side by side, as extractors read them.

    Attributes
    ----------
    rgb
        Colours from 0 to 1, or None.
    xyz
        Points of the part in metres, NaN beside it and where nothing returned; or None.
    foreground
        Where the part is.
    squares
        Of each, where it lies in its square: what gives its maps back in their own size.
    doubts
        Of each, why everything is taken for the part; empty where it was told apart.
    """

    rgb: Float32[Tensor, "batch 3 size size"] | None
    xyz: Float32[Tensor, "batch 3 size size"] | None
    foreground: Bool[Tensor, "batch size size"]
    squares: tuple[Square, ...]
    doubts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.squares)


def frames(samples: Iterable[Sample], size: int = SIZE, *, pieces: float = M3DMConfig.pieces) -> Frames:
    """Scans made ready for extractors of features.

    A square of 224 x 224 takes 1.3 MB; of many scans, ask for some at a time.

    Parameters
    ----------
    samples
        Of any sizes; all with colours or none, and all with points or none.
    size
        Height and width to bring them to: what is not square is padded, and nothing stretched.
    pieces
        As in `find_part`.

    Raises
    ------
    InputError
        If there is none, some lack what others have, or `size` or `pieces` cannot be.

    Warns
    -----
    UserWarning
        If some part cannot be told from what is behind it: then everything is judged.

    Examples
    --------
    >>> rgb = np.full((48, 64, 3), 200, dtype=np.uint8)
    >>> rgb[10:30, 20:40] = 90
    >>> made = frames([Sample.of(rgb=rgb)], 64)
    >>> made.rgb.shape, made.xyz, made.foreground[0, [0, 8, 27], 30].tolist()
    (torch.Size([1, 3, 64, 64]), None, [False, False, True])
    """
    size = whole_number("size", size)
    names, made = [], []
    for sample in _alike(samples):
        names.append(sample.name)
        made.append(_frame(sample, size, pieces))
    if not made:
        raise InputError("there are no samples to make frames of")
    rgb, xyz, masks, squares, doubts = zip(*made, strict=True)
    with once():
        for name, doubt in zip(names, doubts, strict=True):
            if doubt:
                warn(name, doubt)
    return Frames(
        None if rgb[0] is None else torch.stack(rgb),
        None if xyz[0] is None else torch.stack(xyz),
        torch.stack(masks),
        squares,
        doubts,
    )


def _alike(samples: Iterable[Sample]) -> Iterable[Sample]:
    """The samples, as long as they have what the first one has."""
    first: Sample | None = None
    for sample in samples:
        first = first or sample
        for what in ("rgb", "xyz"):
            if (getattr(sample, what) is None) != (getattr(first, what) is None):
                with_it, without = (first, sample) if getattr(sample, what) is None else (sample, first)
                raise InputError(f"{without.name} has no {what}, but {with_it.name} has: give it for all or for none")
        yield sample


def _frame(
    sample: Sample, size: int, pieces: float
) -> tuple[
    Float32[Tensor, "3 size size"] | None,
    Float32[Tensor, "3 size size"] | None,
    Bool[Tensor, "size size"],
    Square,
    str,
]:
    square = Square(*sample.size, size)
    rgb = None if sample.rgb is None else square.smooth(sample.rgb)
    # A large scan is made smaller before the part is looked for, which takes as long as there are pixels.
    small = sample if square.rows >= square.height else _reduced(sample, square, rgb)
    part = find_part(small, pieces=pieces)
    mask = square.nearest(part.mask, fill=False)
    points = None
    if small.xyz is not None:
        kept = square.nearest(small.xyz, fill=np.nan)
        kept[~mask] = np.nan
        points = torch.from_numpy(kept).permute(2, 0, 1).contiguous()
    return rgb, points, torch.from_numpy(mask), square, part.doubt


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
