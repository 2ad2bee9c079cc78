"""Unsupervised feature fusion, UFF: M3DM (Wang et al. 2023), section 3.3.

A patch is seen twice, by the points and by the colours that fall on it. Each modality m has a tower,

    f_m = W₂ GELU(W₁ LayerNorm(x_m)),   z_m = g_m(f_m) / |g_m(f_m)|,

with a hidden layer four times as wide as the input, and a linear head g_m to 256 dimensions. The fused feature of a
patch is [f_xyz, f_rgb]. The towers learn, on good parts alone, that z_rgb of a patch is nearer to its own z_xyz than to
that of any other patch of a batch:

    loss = -1/N Σ_i log( exp(z_rgb,i · z_xyz,i / T) / Σ_j exp(z_rgb,i · z_xyz,j / T) ),   T = 1.

Differs from the paper's code: the factor 2T before the loss is left out, of which Adam takes no notice; weights begin
as Glorot & Bengio's; patches count that both modalities have, not those none of whose coordinates happens to be 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from latticework.anomaly.saved_modules import rebuilt
from latticework.core.errors import InputError
from latticework.nn.linear import Linear, apply_linear
from latticework.nn.losses import linear_cross_entropy

HEAD: Final = 256  # the width in which modalities are compared
EXPANSION: Final = 4  # of the hidden layer over the input
TEMPERATURE: Final = 1.0
_BLOCK: Final = 4096  # patches that are compared with all others at once

# What the authors' checkpoint calls our parameters.
_AUTHORS: Final = {"norm": "norm", "mlp.fc1": "expand", "mlp.fc2": "contract", "head": "head"}
_AUTHORS_NAME: Final = re.compile(r"(?:module\.)?(xyz|rgb)_(norm|mlp\.fc1|mlp\.fc2|head)\.(weight|bias)")


class Tower(nn.Module):
    """f = W₂ GELU(W₁ LayerNorm(x)) of one modality, and the head that makes it comparable with another's."""

    def __init__(self, width: int, *, head: int = HEAD) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = Linear(width, EXPANSION * width)
        self.contract = Linear(EXPANSION * width, width)
        self.head = Linear(width, head)

    def forward(self, features: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """What goes into the fused feature."""
        return self.contract(F.gelu(self.expand(self.norm(features))))

    def compared(self, features: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch head"]:
        """z: what is compared with the other modality, of length 1."""
        return F.normalize(self.head(self(features)), dim=-1)


class FeatureFusion(nn.Module):
    """Fuses features of points and of colours, patch by patch.

    Parameters
    ----------
    xyz, rgb
        Widths of the features of points and of colours.
    head
        Width in which they are compared.

    Examples
    --------
    >>> fusion = FeatureFusion(6, 4)
    >>> fusion(torch.zeros(2, 784, 6), torch.zeros(2, 784, 4)).shape
    torch.Size([2, 784, 10])
    """

    def __init__(self, xyz: int, rgb: int, *, head: int = HEAD) -> None:
        super().__init__()
        self.xyz = Tower(xyz, head=head)
        self.rgb = Tower(rgb, head=head)

    def forward(
        self, xyz: Float[Tensor, "*batch xyz"], rgb: Float[Tensor, "*batch rgb"]
    ) -> Float[Tensor, "*batch both"]:
        """[f_xyz, f_rgb]; NaN where a feature of the patch is."""
        return torch.cat([self.xyz(xyz), self.rgb(rgb)], dim=-1)

    def tensors(self) -> dict[str, Tensor]:
        """What it has learnt, to be saved."""
        return {name: tensor.detach().cpu() for name, tensor in self.state_dict().items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> FeatureFusion:
        """The fusion whose tensors were saved, by us or by the authors' code.

        Raises
        ------
        InputError
            If tensors are missing, are none of a fusion's, or do not fit together.
        """
        found = {_our_name(name): tensor for name, tensor in tensors.items()}
        widths = [_size(found, f"{part}.weight") for part in ("xyz.norm", "rgb.norm", "xyz.head")]
        return rebuilt(lambda: cls(widths[0], widths[1], head=widths[2]), found, "a feature fusion")


@dataclass(frozen=True)
class FusionFigures:
    """How well the modalities know each other's patches.

    Parameters
    ----------
    loss
        Of a patch, in nats.
    accuracy
        Share of patches that are nearest to their own other half, of all patches compared.
    patches
        How many these are, N.
    """

    loss: float
    accuracy: float
    patches: int

    @property
    def chance(self) -> float:
        """The loss of embeddings that say nothing: log N. Guessing has an accuracy of 1/N."""
        return math.log(self.patches)

    @property
    def information(self) -> float:
        """What the modalities are known to have in common at least, in nats: log N - loss (van den Oord et al. 2018).

        At most 2/T, since cosines differ by no more than 2. Below 0 the fusion has learnt by heart.
        """
        return self.chance - self.loss


def info_nce(queries: Float[Tensor, "patches head"], keys: Float[Tensor, "patches head"]) -> Float[Tensor, ""]:
    """-Σ_i log softmax_j(q_i · k_j / T)_i: the i-th query belongs to the i-th key.

    Logits are made a few megabytes at a time, with their gradients, and never kept: O(N² head) time, O(N head) memory.
    Gradients of gradients are not available.

    Parameters
    ----------
    queries, keys
        Of length 1, a row a patch.

    Examples
    --------
    >>> alike = torch.ones(8, 4) / 2
    >>> bool(torch.isclose(info_nce(alike, alike) / 8, torch.tensor(8.0).log()))
    True
    """
    own = torch.arange(len(queries), device=queries.device)
    return linear_cross_entropy(queries / TEMPERATURE, keys, own)


def contrast(
    fusion: FeatureFusion,
    xyz: Float[Tensor, "patches xyz"],
    rgb: Float[Tensor, "patches rgb"],
) -> Float[Tensor, ""]:
    """The loss, summed over patches that both modalities have: colours ask, points answer.

    Parameters
    ----------
    fusion
        What is trained.
    xyz, rgb
        Features of the same patches.
    """
    points, colours = fusion.xyz.compared(xyz), fusion.rgb.compared(rgb)
    return info_nce(colours, points)


@torch.no_grad()
def figures(
    fusion: FeatureFusion,
    xyz: Float[Tensor, "patches xyz"],
    rgb: Float[Tensor, "patches rgb"],
) -> FusionFigures:
    """How well each modality finds its patch in the other; a tie counts as not found.

    Memory is that of 4,096 rows of logits.
    """
    points, colours = fusion.xyz.compared(xyz), fusion.rgb.compared(rgb)
    loss = float(info_nce(colours, points))
    return FusionFigures(loss / len(xyz), _found(colours, points) / len(xyz), len(xyz))


def _found(queries: Float[Tensor, "patches head"], keys: Float[Tensor, "patches head"]) -> int:
    """How many queries are nearer to their own key than to any other."""
    found = 0
    for start in range(0, len(queries), _BLOCK):
        cosines = apply_linear(queries[start : start + _BLOCK], keys)
        places = torch.arange(len(cosines), device=cosines.device)
        own = cosines[places, start + places]
        cosines[places, start + places] = -torch.inf
        found += int((own > cosines.amax(1)).sum())
    return found


def _our_name(name: str) -> str:
    match = _AUTHORS_NAME.fullmatch(name)
    return f"{match[1]}.{_AUTHORS[match[2]]}.{match[3]}" if match else name


def _size(tensors: Mapping[str, Tensor], name: str) -> int:
    if name not in tensors or not tensors[name].dim():
        raise InputError(f"a feature fusion needs {name}: not among its tensors")
    return len(tensors[name])
