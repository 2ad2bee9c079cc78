"""Cross-entropy with label smoothing: Vaswani et al. 2017, section 5.4, after Szegedy et al. 2016, section 7.

The smoothed target is (1 - ε)·δ(gold) + ε/V, as in torch.

Differs from the paper: label smoothing spreads ε over all V outputs, the right one included. That is Szegedy et al.'s
definition, to which the paper refers; the authors' code spreads it over the V - 1 others, which is the same with
ε · V / (V - 1).
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from latticework.nn.linear import multiply, product_dtype, rounded, without_autocast

CHUNK_ELEMENTS = 1 << 22  # logits held at once on a CPU: 16 MB of float32, which stays near the cache
ACCELERATOR_ELEMENTS = 1 << 26  # elsewhere: 256 MB, since each chunk reads and writes a whole gradient of `weight`
CHUNK_TOKENS = 256  # or the logits of so many tokens if they are more


def smoothed_cross_entropy(
    logits: Float[Tensor, "tokens vocabulary"], targets: Int[Tensor, " tokens"], *, smoothing: float = 0.0
) -> Float[Tensor, " tokens"]:
    """-Σ_v q(v) log p(v) for each token, with q the smoothed target.

    Examples
    --------
    >>> smoothed_cross_entropy(torch.zeros(1, 4), torch.tensor([2]), smoothing=0.1).item() == torch.tensor(4.0).log()
    tensor(True)
    """
    log_normaliser = logits.logsumexp(-1)
    gold = logits.gather(-1, targets[:, None]).squeeze(-1)
    loss = log_normaliser - (1 - smoothing) * gold
    return loss - smoothing * logits.mean(-1) if smoothing else loss


def linear_cross_entropy(
    states: Float[Tensor, "tokens model"],
    weight: Float[Tensor, "vocabulary model"],
    targets: Int[Tensor, " tokens"],
    *,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Summed `smoothed_cross_entropy` of `states @ weight.T`, without ever holding all logits.

    Loss and gradients come from one pass over chunks of tokens: the logits of a chunk become its gradient in place.
    Memory is O(chunk × vocabulary) rather than several times tokens × vocabulary, and each chunk is read while cached.
    Gradients of gradients are not available.

    Parameters
    ----------
    states
        Decoder states of the tokens that have a target.
    weight
        Output embeddings.
    targets
        Gold indices.
    smoothing
        ε, from 0 to 1.

    Examples
    --------
    >>> states, weight = torch.randn(5, 8), torch.randn(11, 8)
    >>> targets = torch.arange(5)
    >>> direct = smoothed_cross_entropy(states @ weight.T, targets, smoothing=0.1).sum()
    >>> torch.allclose(linear_cross_entropy(states, weight, targets, smoothing=0.1), direct)
    True
    """
    dtype = product_dtype(states)
    if not (torch.is_grad_enabled() and (states.requires_grad or weight.requires_grad)):
        return _loss_alone(states, weight.to(dtype), targets, smoothing)
    loss: Tensor = _LinearCrossEntropy.apply(states, weight, targets, smoothing, dtype)  # type: ignore[no-untyped-call]
    return loss


def _chunk_size(vocabulary: int, device_type: str) -> int:
    return max(CHUNK_TOKENS, (CHUNK_ELEMENTS if device_type == "cpu" else ACCELERATOR_ELEMENTS) // vocabulary)


def _loss_alone(states: Tensor, matrix: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    size = _chunk_size(len(matrix), matrix.device.type)
    accumulate = torch.promote_types(matrix.dtype, torch.float32)
    loss = torch.zeros((), dtype=accumulate, device=states.device)
    with without_autocast(states.device.type):
        for chunk, gold in zip(torch.split(states, size), torch.split(targets, size), strict=True):
            logits = multiply(rounded(chunk, matrix.dtype), matrix)[: len(chunk)].to(accumulate)
            loss += smoothed_cross_entropy(logits, gold, smoothing=smoothing).sum()
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, smoothing: float, dtype: torch.dtype
    ) -> Tensor:
        vocabulary = weight.shape[0]
        accumulate = torch.promote_types(weight.dtype, torch.float32)
        matrix = weight.to(dtype)
        grad_states = torch.empty_like(states)
        grad_weight = torch.zeros_like(weight, dtype=accumulate)
        loss = torch.zeros((), dtype=accumulate, device=states.device)
        size = _chunk_size(vocabulary, weight.device.type)
        with without_autocast(states.device.type):
            for chunk, gold, grad in zip(
                torch.split(states, size),
                torch.split(targets[:, None], size),
                torch.split(grad_states, size),
                strict=True,
            ):
                rows = len(chunk)
                chunk = rounded(chunk, dtype)
                logits = multiply(chunk, matrix)[:rows].to(accumulate)
                loss -= (1 - smoothing) * logits.gather(1, gold).sum()
                if smoothing:
                    loss -= smoothing / vocabulary * logits.sum()
                largest = logits.amax(1, keepdim=True)
                # exp(logits - largest) / sum = softmax; minus the smoothed target = the gradient
                probabilities = logits.sub_(largest).exp_()
                normaliser = probabilities.sum(1, keepdim=True)
                loss += (normaliser.log() + largest).sum()
                probabilities.div_(normaliser)
                if smoothing:
                    probabilities.sub_(smoothing / vocabulary)
                probabilities.scatter_add_(1, gold, probabilities.new_full(gold.shape, smoothing - 1))
                gradient = rounded(probabilities, dtype)
                grad.copy_(multiply(gradient, matrix.T)[:rows])
                grad_weight += multiply(gradient.T, chunk.T)
        ctx.save_for_backward(grad_states, grad_weight.to(weight.dtype))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_states, grad_weight = ctx.saved_tensors
        return grad_states * grad_loss, grad_weight * grad_loss, None, None, None
