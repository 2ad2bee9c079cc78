"""Gradients of the library's own losses and layers: derived in closed form, and by autograd of its own code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from latticework.calculus import derive
from latticework.nn import FeedForward, Residual, attend, linear_cross_entropy

Tensors = dict[str, torch.Tensor]
TOLERANCE = 1e-9
SIZES = [{"t": 5, "d": 4, "v": 7, "h": 6, "s": 3}, {"t": 2, "d": 6, "v": 3, "h": 4, "s": 7}, dict.fromkeys("tdvhs", 1)]
SMOOTHING = 0.1

# q is a row of smoothed targets for each token, so that its rows add up to 1: Vaswani et al. 2017, section 5.4.
CROSS_ENTROPY = "-sum(Q .* log_softmax(S*E'))"
CROSS_ENTROPY_SHAPES = {"Q": "t,v", "S": "t,d", "E": "v,d"}
# A scalar that weighs the outputs of attention; d is also what divides the logits: equation 1.
ATTENTION = "sum(G .* (softmax(Q*K'/sqrt(d))*V))"
ATTENTION_SHAPES = {"G": "t,d", "Q": "t,d", "K": "s,d", "V": "s,d"}
FEED_FORWARD = "sum(G .* (relu(X*A' + vector(1)*b')*B' + vector(1)*c'))"
FEED_FORWARD_SHAPES = {"G": "t,d", "X": "t,d", "A": "h,d", "b": "h", "B": "d,h", "c": "d"}
NORMALISATION = "sum(g .* (w .* (x - mean(x))/sqrt(mean((x - mean(x)).^2) + 1e-6) + b))"
NORMALISATION_SHAPES = {"g": "d", "w": "d", "x": "d", "b": "d"}


def drawn(shapes: dict[str, str], sizes: dict[str, int], seed: int) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn([sizes[size] for size in shape.split(",")], generator=generator, dtype=torch.float64)
        for name, shape in shapes.items()
    }


def assert_agrees(
    expression: str, shapes: dict[str, str], wrt: str, tensors: Tensors, loss: Callable[[Tensors], torch.Tensor]
) -> None:
    """The derived gradient, evaluated and exported, is that of autograd, and the expression is the loss itself."""
    value = tensors[wrt].detach().requires_grad_()
    by_autograd = loss({**tensors, wrt: value})
    (expected,) = torch.autograd.grad(by_autograd, value)
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in tensors.items()}
    derivation = derive(expression, wrt, shapes)
    np.testing.assert_allclose(derivation.evaluate(**arrays), expected.numpy(), rtol=TOLERANCE, atol=TOLERANCE)
    used = {name: tensors[name] for name in derivation.parameters}
    np.testing.assert_allclose(derivation.to_torch()(**used), expected, rtol=TOLERANCE, atol=TOLERANCE)


def smoothed(targets: torch.Tensor, vocabulary: int) -> torch.Tensor:
    one_hot = torch.nn.functional.one_hot(targets, vocabulary).double()
    return (1 - SMOOTHING) * one_hot + SMOOTHING / vocabulary


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("wrt", ["S", "E"])
def test_cross_entropy_with_label_smoothing_by_states_and_by_the_tied_embedding(
    wrt: str, sizes: dict[str, int]
) -> None:
    tensors = drawn(CROSS_ENTROPY_SHAPES, sizes, seed=0)
    targets = torch.arange(sizes["t"]) % sizes["v"]
    tensors["Q"] = smoothed(targets, sizes["v"])
    assert_agrees(
        CROSS_ENTROPY,
        CROSS_ENTROPY_SHAPES,
        wrt,
        tensors,
        lambda each: linear_cross_entropy(each["S"], each["E"], targets, smoothing=SMOOTHING),
    )


@pytest.mark.parametrize("sizes", SIZES)
def test_an_embedding_that_is_both_input_and_output_gets_the_gradients_of_both(sizes: dict[str, int]) -> None:
    """P picks rows of the embedding as states, as one matrix serves for both: Vaswani et al. 2017, section 3.4."""
    shapes = {"Q": "t,v", "P": "t,v", "E": "v,d"}
    generator = torch.Generator().manual_seed(1)
    sources, targets = torch.randint(sizes["v"], (2, sizes["t"]), generator=generator)
    tensors = drawn(shapes, sizes, seed=2)
    tensors["Q"] = smoothed(targets, sizes["v"])
    tensors["P"] = torch.nn.functional.one_hot(sources, sizes["v"]).double()
    assert_agrees(
        "-sum(Q .* log_softmax(P*E*E'))",
        shapes,
        "E",
        tensors,
        lambda each: linear_cross_entropy(each["E"][sources], each["E"], targets, smoothing=SMOOTHING),
    )


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("wrt", ["Q", "K", "V"])
def test_attention_by_queries_keys_and_values(wrt: str, sizes: dict[str, int]) -> None:
    tensors = drawn(ATTENTION_SHAPES, sizes, seed=3)
    assert_agrees(
        ATTENTION,
        ATTENTION_SHAPES,
        wrt,
        tensors,
        lambda each: (each["G"] * attend(*(each[name][None, None] for name in "QKV"))[0, 0]).sum(),
    )


@pytest.mark.parametrize("sizes", SIZES[:2])
@pytest.mark.parametrize("wrt", list(NORMALISATION_SHAPES))
def test_layer_normalisation_by_the_state_and_by_its_weights(wrt: str, sizes: dict[str, int]) -> None:
    norm = Residual(sizes["d"], 0.0, norm_first=False).norm.double()
    tensors = drawn(NORMALISATION_SHAPES, sizes, seed=4)

    def loss(each: Tensors) -> torch.Tensor:
        normalised = torch.func.functional_call(norm, {"weight": each["w"], "bias": each["b"]}, (each["x"],))
        return (each["g"] * normalised).sum()

    assert_agrees(NORMALISATION, NORMALISATION_SHAPES, wrt, tensors, loss)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("wrt", list(FEED_FORWARD_SHAPES))
def test_a_feed_forward_block_by_its_states_and_by_all_weights(wrt: str, sizes: dict[str, int]) -> None:
    block = FeedForward(sizes["d"], sizes["h"]).double()
    tensors = drawn(FEED_FORWARD_SHAPES, sizes, seed=5)

    def loss(each: Tensors) -> torch.Tensor:
        weights = {
            "expand.weight": each["A"],
            "expand.bias": each["b"],
            "contract.weight": each["B"],
            "contract.bias": each["c"],
        }
        return (each["G"] * torch.func.functional_call(block, weights, (each["X"],))).sum()

    assert_agrees(FEED_FORWARD, FEED_FORWARD_SHAPES, wrt, tensors, loss)
