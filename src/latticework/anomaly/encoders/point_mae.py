"""The 3D encoder of M3DM: that of Point-MAE (Pang et al. 2022), whose features of three depths are put together.

A small PointNet (Qi et al. 2017) turns each group of points, less its centre, into a vector; the centre, through an
MLP, says where the group is. Twelve layers of a Transformer follow, each of which is given the positions again, and
what comes out of the 4th, the 8th and the 12th is normalised and concatenated: 1152 numbers a group (M3DM, section 4).

The encoder is frozen: batch normalisation uses the statistics of training and nothing else, there is no dropout, and
the weights take no gradients. (In M3DM's code both are left in training mode, so that features vary from call to call.)
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
from latticework.nn.linear import Linear, apply_linear
from latticework.nn.vision import VisionLayer

EPSILON: Final = 1e-5  # of both kinds of normalisation
BLOCK: Final = 8192  # points that the PointNet takes at once: what is known of them stays in a processor's cache


@dataclass(frozen=True)
class PointMAEConfig:
    """Sizes of the encoder; the defaults are Point-MAE's, and the layers those that M3DM takes.

    Raises
    ------
    InputError
        If a size is not a positive whole number, `d_model` is no multiple of `heads`, or there is no such layer.
    """

    d_model: int = 384
    layers: int = 12
    heads: int = 6
    d_hidden: int = 1536  # inside the feed-forwards
    d_point: int = 128  # of a point after one layer of the PointNet,
    d_local: int = 256  # and after two; twice as much from there on, with what is known of the whole group
    d_position: int = 128  # inside the MLP of positions
    taken: tuple[int, ...] = (3, 7, 11)  # layers whose states are features, counted from 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "taken":
                whole_number(name, value)
        if self.d_model % self.heads:
            raise InputError(f"d_model={self.d_model}: expected a multiple of heads={self.heads}")
        if not self.taken or any(layer not in range(self.layers) for layer in self.taken):
            raise InputError(f"taken={self.taken}: expected some of the layers 0 to {self.layers - 1}")

    @property
    def channels(self) -> int:
        """Width of the features of a group."""
        return len(self.taken) * self.d_model


POINT_MAE: Final = PointMAEConfig()


class NormalisedLinear(nn.Module):
    """A linear layer and batch normalisation by stored statistics after it, which together are one linear layer."""

    mean: Tensor
    variance: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = Linear(inputs, outputs)
        self.scale, self.shift = nn.Parameter(torch.ones(outputs)), nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("variance", torch.ones(outputs))

    def folded(self) -> tuple[Float[Tensor, "outputs inputs"], Float[Tensor, " outputs"]]:
        """Weight and bias of that layer.

        Examples
        --------
        >>> layer = NormalisedLinear(2, 1)
        >>> _ = layer.variance.fill_(4)
        >>> torch.allclose(layer.folded()[0], layer.linear.weight / 2)
        True
        """
        factor = self.scale / (self.variance + EPSILON).sqrt()
        return self.linear.weight * factor[:, None], (self.linear.bias - self.mean) * factor + self.shift


class MiniPointNet(nn.Module):
    """Groups of points to one vector each, whatever the order of the points: Point-MAE, section 3.1.

    Parameters
    ----------
    d_point, d_local
        Widths after one layer and after two; from there on twice `d_local`.
    d_model
        Width of what comes out.

    Examples
    --------
    >>> MiniPointNet(4, 6, 8)(torch.zeros(5, 10, 3)).shape
    torch.Size([5, 8])
    """

    def __init__(self, d_point: int, d_local: int, d_model: int) -> None:
        super().__init__()
        self.first, self.second = NormalisedLinear(3, d_point), Linear(d_point, d_local)
        self.third, self.fourth = NormalisedLinear(2 * d_local, 2 * d_local), Linear(2 * d_local, d_model)

    def forward(self, members: Float[Tensor, "groups size 3"]) -> Float[Tensor, "groups model"]:
        """One vector a group. O(groups · size · local · (local + model)).

        The third layer sees a point's vector beside the maximum over its group. What it makes of the maximum is the
        same for all points of a group, so that is computed once a group: a third of all the work is saved.
        """
        weight, bias = self.third.folded()
        of_group, of_point = (part.contiguous() for part in weight.chunk(2, dim=1))
        first, found = self.first.folded(), []
        for block in torch.split(members, max(1, BLOCK // members.shape[1])):
            local = self.second(F.relu(apply_linear(block, *first)))
            states = apply_linear(local, of_point) + apply_linear(local.amax(1), of_group, bias)[:, None]
            found.append(self.fourth(F.relu(states)).amax(1))
        return torch.cat(found)


class PointMAE(nn.Module):
    """Groups of points to their features.

    Parameters
    ----------
    config
        Sizes.

    Examples
    --------
    >>> config = PointMAEConfig(d_model=6, layers=2, heads=2, d_hidden=12, d_point=4, d_local=4, taken=(0, 1))
    >>> PointMAE(config)(torch.rand(1, 5, 10, 3), torch.rand(1, 5, 3)).shape
    torch.Size([1, 5, 12])
    """

    def __init__(self, config: PointMAEConfig = POINT_MAE) -> None:
        super().__init__()
        self.config = config
        self.embedding = MiniPointNet(config.d_point, config.d_local, config.d_model)
        self.position_expand = Linear(3, config.d_position)
        self.position_contract = Linear(config.d_position, config.d_model)
        self.layers = nn.ModuleList(
            VisionLayer(config.d_model, config.heads, config.d_hidden, epsilon=EPSILON, attention_bias=False)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.d_model, eps=EPSILON)
        self.requires_grad_(False)

    def forward(
        self, members: Float[Tensor, "batch groups size 3"], centres: Float[Tensor, "batch groups 3"]
    ) -> Float[Tensor, "batch groups channels"]:
        """Features of groups, of the first layer taken first.

        Clouds are encoded one at a time, so that to the last bit none depends on the others of its batch.

        Parameters
        ----------
        members
            Points of each group less its centre, in the unit of the centres; their order does not matter. Finite.
        centres
            Where the groups are. M3DM gives metres, and does not scale them.

        Raises
        ------
        InputError
            If there is no cloud, no group, or no point in one.
        """
        if not members.numel():
            raise InputError(f"expected groups of points, got groups of the shape {tuple(members.shape)}")
        clouds = zip(torch.split(members, 1), torch.split(centres, 1), strict=True)
        return torch.cat([self._features(*cloud) for cloud in clouds])

    def _features(
        self, members: Float[Tensor, "batch groups size 3"], centres: Float[Tensor, "batch groups 3"]
    ) -> Float[Tensor, "batch groups channels"]:
        states = self.embedding(members.flatten(0, 1)).view(*centres.shape[:2], -1)
        positions = self.position_contract(F.gelu(self.position_expand(centres)))
        taken = {}
        for place, layer in enumerate(self.layers):
            states = layer(states + positions)
            if place in self.config.taken:
                taken[place] = self.norm(states)
        return torch.cat([taken[place] for place in self.config.taken], dim=2)
