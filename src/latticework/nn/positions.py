"""Sinusoidal position encodings: Vaswani et al. 2017, section 3.5."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Layout = Literal["paper", "t2t"]

MAX_WAVELENGTH = 10_000.0  # the paper's: wavelengths form a geometric progression from 2π to 10000·2π


def sinusoids(length: int, d_model: int, *, layout: Layout = "paper", start: int = 0) -> Float[Tensor, "length model"]:
    """Encodings of positions start, start + 1, ..., in float32.

    Parameters
    ----------
    length
        How many positions.
    d_model
        Width, an even number.
    layout
        "paper": PE[p, 2i] = sin(p / 10000^(2i/d)) and PE[p, 2i+1] = cos of the same, interleaved.
        "t2t": the published code's: all sines, then all cosines, with wavelengths up to exactly 10000·2π.
    start
        The first position.

    Raises
    ------
    ValueError
        If `d_model` is odd (or below 4 for "t2t", whose increments divide by d/2 - 1).

    Examples
    --------
    >>> sinusoids(2, 4).round(decimals=3).tolist()
    [[0.0, 1.0, 0.0, 1.0], [0.841000..., 0.540000..., 0.0099999..., 1.0]]
    """
    if d_model % 2 or (layout == "t2t" and d_model < 4):
        raise ValueError(f"sinusoids need an even width (at least 4 for layout 't2t'), not d_model={d_model}")
    half = d_model // 2
    steps = half if layout == "paper" else half - 1
    # float64: sin(p·rate) loses its digits in float32 once p is in the thousands
    rates = torch.exp(torch.arange(half, dtype=torch.float64) * (-math.log(MAX_WAVELENGTH) / steps))
    angles = torch.arange(start, start + length, dtype=torch.float64)[:, None] * rates
    sines, cosines = angles.sin(), angles.cos()
    if layout == "t2t":
        return torch.cat([sines, cosines], dim=1).float()
    return torch.stack([sines, cosines], dim=2).flatten(1).float()


class SinusoidalPositions(nn.Module):
    """Adds the encodings to embeddings; the table is computed on demand, so no length is too long."""

    def __init__(self, d_model: int, *, layout: Layout = "paper") -> None:
        super().__init__()
        self.layout: Layout = layout
        # no buffer: data-parallel processes exchange those, and each may have met texts of another length
        self.table = sinusoids(256, d_model, layout=layout)

    def forward(
        self, embedded: Float[Tensor, "batch time model"], *, start: int = 0
    ) -> Float[Tensor, "batch time model"]:
        """`embedded` plus the encodings of positions start .. start + time - 1."""
        end = start + embedded.shape[1]
        if end > len(self.table):
            self.table = sinusoids(2 * end, self.table.shape[1], layout=self.layout)
        if self.table.device != embedded.device:
            self.table = self.table.to(embedded.device)
        return embedded + self.table[start:end].to(embedded.dtype)
