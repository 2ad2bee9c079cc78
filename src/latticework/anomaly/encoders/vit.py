"""The colour encoder of M3DM: a vision Transformer (Dosovitskiy et al. 2021) as DINO trained it (Caron et al. 2021).

Each patch of 8 x 8 pixels becomes a vector; a learned vector for the whole picture, the class token, goes before them,
and learned positions are added. What the last normalisation gives for the patches are their features (M3DM, section 4).
The encoder is frozen: it has no dropout and its weights take no gradients. `weights` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from latticework.core.checks import whole_number
from latticework.core.errors import InputError
from latticework.nn.transformer import NORM_EPSILON
from latticework.nn.vision import VisionLayer

MEAN: Final = (0.485, 0.456, 0.406)  # of the colours of ImageNet, on which the weights were learnt
DEVIATION: Final = (0.229, 0.224, 0.225)
POSITION_DEVIATION: Final = 0.02  # with which positions are drawn before anything is learnt, as in the authors' code
MORE: Final = 0.1  # of a patch, see `resized_positions`


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of a vision Transformer; the defaults are those of DINO's ViT-B/8.

    Raises
    ------
    InputError
        If a size is not a positive whole number, or `d_model` no multiple of `heads`.
    """

    d_model: int = 768
    layers: int = 12
    heads: int = 12
    d_hidden: int = 3072  # inside the feed-forwards
    patch: int = 8  # pixels along the side of a patch
    side: int = 28  # patches along the side of the pictures of training: 28 x 8 = 224 pixels

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole_number(name, value)
        if self.d_model % self.heads:
            raise InputError(f"d_model={self.d_model}: expected a multiple of heads={self.heads}")


VIT_B8: Final = ViTConfig()


def standardised(rgb: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Colours of 0..1 less ImageNet's mean, in its standard deviations.

    Examples
    --------
    >>> standardised(torch.full((1, 3, 1, 1), 0.5)).flatten().tolist()
    [0.0655, 0.1964, 0.4178]
    """
    return (rgb - rgb.new_tensor(MEAN)[:, None, None]) / rgb.new_tensor(DEVIATION)[:, None, None]


def resized_positions(
    positions: Float[Tensor, "1 tokens model"], rows: int, columns: int
) -> Float[Tensor, "1 new_tokens model"]:
    """Positions for `rows` x `columns` patches, from those of a square of patches; the class token keeps its own.

    They are interpolated bicubically with the scale (rows + 0.1) / side, as in DINO's code: there, the tenth guards
    against a rounding that loses a row. It also moves positions by up to a tenth of a patch, so results depend on it.

    Parameters
    ----------
    positions
        The first is the class token's; the others belong to patches, row by row.
    rows, columns
        Patches that are asked for. Nothing changes if there are as many as in training.

    Examples
    --------
    >>> resized_positions(torch.zeros(1, 1 + 4 * 4, 6), 2, 5).shape
    torch.Size([1, 11, 6])
    """
    side = round((positions.shape[1] - 1) ** 0.5)
    if (rows, columns) == (side, side):
        return positions
    square = positions[:, 1:].view(1, side, side, -1).permute(0, 3, 1, 2)
    scale = ((rows + MORE) / side, (columns + MORE) / side)
    resized = F.interpolate(square, scale_factor=scale, mode="bicubic")
    return torch.cat([positions[:, :1], resized.flatten(2).mT], dim=1)


class VisionTransformer(nn.Module):
    """Pictures to features of their patches.

    Parameters
    ----------
    config
        Sizes.

    Examples
    --------
    >>> tiny = VisionTransformer(ViTConfig(d_model=6, layers=1, heads=2, d_hidden=12, side=2))
    >>> tiny(torch.rand(1, 3, 16, 24)).shape
    torch.Size([1, 6, 2, 3])
    """

    def __init__(self, config: ViTConfig = VIT_B8) -> None:
        super().__init__()
        self.config = config
        self.patches = nn.Conv2d(3, config.d_model, config.patch, stride=config.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, config.d_model))
        self.positions = nn.Parameter(POSITION_DEVIATION * torch.randn(1, 1 + config.side**2, config.d_model))
        self.layers = nn.ModuleList(
            VisionLayer(config.d_model, config.heads, config.d_hidden) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.d_model, eps=NORM_EPSILON)
        self.requires_grad_(False)

    def forward(self, rgb: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch model rows columns"]:
        """Features of patches. Per picture O(layers · patches · model · (model + patches)).

        Pictures are encoded one at a time, so that to the last bit none depends on the others of its batch. That costs
        nothing: the patches of one already fill a processor.

        Parameters
        ----------
        rgb
            Colours of 0..1, as they are: they are standardised here.

        Raises
        ------
        InputError
            If there is no picture, or height or width is no multiple of the size of a patch.
        """
        height, width = rgb.shape[2:]
        patch = self.config.patch
        if not rgb.numel():
            raise InputError(f"expected pictures, got colours of the shape {tuple(rgb.shape)}")
        if height % patch or width % patch:
            raise InputError(f"a picture of {height} x {width} pixels cannot be cut into patches of {patch} x {patch}")
        rows, columns = height // patch, width // patch
        positions = resized_positions(self.positions, rows, columns)
        found = [self._tokens(picture, positions)[:, 1:] for picture in torch.split(rgb, 1)]
        return torch.cat(found).mT.reshape(len(rgb), self.config.d_model, rows, columns)

    def _tokens(
        self, picture: Float[Tensor, "batch 3 height width"], positions: Float[Tensor, "1 tokens model"]
    ) -> Float[Tensor, "batch tokens model"]:
        """The class token, then the patches row by row."""
        patches = self.patches(standardised(picture)).flatten(2).mT
        states = torch.cat([self.class_token.expand(len(picture), -1, -1), patches], dim=1) + positions
        for layer in self.layers:
            states = layer(states)
        return self.norm(states)
