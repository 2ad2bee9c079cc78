"""Pseudo-defects: good parts that something was done to, to choose by where there are no defects to learn from.

Each part gets one: a piece of itself put elsewhere (CutPaste, Li et al. 2021), a blot of another colour, a scratch; and
where there are points, a dent or a bump. They are no model of real defects, and no figure on them is one of quality:
they say which of two ways to score sees more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from scipy import ndimage
from torch import Tensor

from latticework.anomaly.preparation.frames import Frame

KINDS: Final = ("piece", "blot", "scratch", "dent")  # the last one where there are points
SIDES: Final = (0.06, 0.2)  # of a defect, as shares of the part's extent in the picture
DEPTHS: Final = (0.01, 0.04)  # of a dent or bump, as shares of the same
STRENGTHS: Final = (0.25, 0.8)  # how much of the other colour a blot and a scratch have
_EDGE: Final = 1.5  # pixels over which a blot fades


def pseudo_defects(frame: Frame, seed: int) -> tuple[Frame, Bool[np.ndarray, "size size"]]:
    """The same scan with a defect, and where it is.

    Parameters
    ----------
    frame
        A good part.
    seed
        Decides what and where.

    Examples
    --------
    >>> from latticework.anomaly.preparation.frames import frame
    >>> from latticework.anomaly.scans.samples import Sample
    >>> where = np.pad(np.ones((40, 40)), 12)
    >>> made = frame(Sample.of(rgb=np.random.default_rng(0).random((64, 64, 3)) * where[..., None]), 64)
    >>> spoilt, where = pseudo_defects(made, seed=0)
    >>> changed = (spoilt.rgb != made.rgb).any(0).numpy()
    >>> bool(changed[where].any()), bool(changed.mean() < 0.2)
    (True, True)
    """
    part, generator = frame.foreground.numpy(), np.random.default_rng([seed, 0])
    kinds = [kind for kind in KINDS if (frame.xyz if kind == "dent" else frame.rgb) is not None]
    kind = kinds[generator.integers(len(kinds))]
    spot = _spot(part, generator, thin=kind == "scratch")
    rgb, xyz = (None if each is None else each.clone() for each in (frame.rgb, frame.xyz))
    where = np.zeros_like(part)
    if kind == "dent" and xyz is not None:
        where = _pressed(xyz, spot, part, generator)
    elif rgb is not None:
        where = (_pasted if kind == "piece" else _painted)(rgb, spot, part, generator)
    return replace(frame, rgb=rgb, xyz=xyz), where


def _spot(
    part: Bool[np.ndarray, "size size"], generator: np.random.Generator, *, thin: bool
) -> Float32[np.ndarray, "size size"]:
    """A soft, uneven shape somewhere on the part: 1 within, 0 outside."""
    rows, columns = np.nonzero(part)
    extent = max(int(np.ptp(rows)), int(np.ptp(columns)), 8)
    place = generator.integers(len(rows))
    length = generator.uniform(*SIDES) * extent / 2
    width = max(1.0, length * (0.15 if thin else generator.uniform(0.5, 1.0)))
    length *= 2 if thin else 1
    angle = generator.uniform(0, np.pi)
    down, right = (axis - at[place] for axis, at in zip(np.indices(part.shape), (rows, columns), strict=True))
    along, across = right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)
    uneven = ndimage.gaussian_filter(generator.standard_normal(part.shape), max(1.0, width / 2))
    inside = 1 - np.hypot(along / max(length, 1.5), across / max(width, 1.5)) + 0.2 * uneven / uneven.std()
    soft: Float32[np.ndarray, "size size"] = np.clip(inside * width / _EDGE, 0, 1).astype(np.float32) * part
    soft[rows[place], columns[place]] = 1  # never nothing
    return soft


def _pasted(
    rgb: Float[Tensor, "3 size size"],
    spot: Float32[np.ndarray, "size size"],
    part: Bool[np.ndarray, "size size"],
    generator: np.random.Generator,
) -> Bool[np.ndarray, "size size"]:
    """Another piece of the part in this place."""
    picture, within = (rgb.flip(2), part[:, ::-1]) if generator.random() < 0.5 else (rgb, part)
    rows, columns = np.nonzero(within)
    middle = np.argmax(spot)
    other = generator.integers(len(rows))
    down, right = rows[other] - middle // len(part), columns[other] - middle % len(part)
    return _mixed(rgb, torch.roll(picture, (-int(down), -int(right)), (1, 2)), spot)


def _painted(
    rgb: Float[Tensor, "3 size size"],
    spot: Float32[np.ndarray, "size size"],
    part: Bool[np.ndarray, "size size"],
    generator: np.random.Generator,
) -> Bool[np.ndarray, "size size"]:
    """Something of another colour, of about the brightness that there is on the part."""
    bright = float(torch.quantile(rgb[:, torch.from_numpy(part)].amax(0), float(generator.uniform(0.1, 1.0))))
    paint = torch.from_numpy(generator.uniform(0, 1, 3).astype(np.float32))
    paint = (paint / paint.max() * bright)[:, None, None].expand_as(rgb)
    return _mixed(rgb, paint, spot * np.float32(generator.uniform(*STRENGTHS)))


def _mixed(
    rgb: Float[Tensor, "3 size size"], other: Float[Tensor, "3 size size"], share: Float32[np.ndarray, "size size"]
) -> Bool[np.ndarray, "size size"]:
    rgb.lerp_(other, torch.from_numpy(share))
    return share > share.max() / 4


def _pressed(
    xyz: Float[Tensor, "3 size size"],
    spot: Float32[np.ndarray, "size size"],
    part: Bool[np.ndarray, "size size"],
    generator: np.random.Generator,
) -> Bool[np.ndarray, "size size"]:
    """A dent or a bump, along the line of sight."""
    seen = xyz[:, torch.from_numpy(part)]
    wide = float((seen.nan_to_num(nan=-torch.inf).amax(1) - seen.nan_to_num(nan=torch.inf).amin(1))[:2].max())
    wide = wide if np.isfinite(wide) else 0.0  # no point of the part returned
    smooth = ndimage.gaussian_filter(spot, 2.0) * part
    depth = generator.uniform(*DEPTHS) * wide * generator.choice([-1.0, 1.0]) / smooth.max()
    xyz *= torch.from_numpy(1 + (smooth * depth).astype(np.float32) / xyz[2].nan_to_num(nan=1.0).numpy())
    where: Bool[np.ndarray, "size size"] = smooth > smooth.max() / 4
    return where
