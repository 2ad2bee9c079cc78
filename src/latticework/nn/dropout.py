"""Dropout (Srivastava et al. 2014) that does not wait for its random numbers on a CPU.

torch draws one Bernoulli number an element, which on a CPU takes longer than the layer it regularises. Here eight
elements share one 64-bit draw, a byte each.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from latticework.core.checks import share

LEVELS = 256  # values of a byte


class Dropout(nn.Module):
    """Zero a share `p` of the elements in training and scale the others so that the mean stays.

    Differs from the paper: on a CPU, dropout rates are rounded to a 256th, and the scale with them.

    Examples
    --------
    >>> dropped = Dropout(0.25)(torch.ones(4, 1000))
    >>> sorted(set(dropped.flatten().tolist())) == [0.0, torch.tensor(1 / 0.75).item()]
    True
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = share("p", p)

    def forward(self, states: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Drop elements in training, nothing otherwise."""
        if not self.training or self.p == 0:
            return states
        if states.device.type != "cpu":
            return F.dropout(states, self.p)
        dropped = min(round(self.p * LEVELS), LEVELS - 1)
        words = torch.empty(-(-states.numel() // 8), dtype=torch.int64, device=states.device).random_(-(2**63), None)
        kept = words.view(torch.uint8)[: states.numel()].view(states.shape) >= dropped
        # scaled last: the scale itself, rounded to bfloat16, would be off by up to 0.4 % for all elements alike
        return (states * kept.to(states.dtype)).mul_(LEVELS / (LEVELS - dropped))

    def extra_repr(self) -> str:
        """Show the rate when the module is printed."""
        return f"p={self.p}"
