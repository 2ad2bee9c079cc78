import math

import pytest
import torch
import torch.nn.functional as F

from latticework.nn.linear import Linear, compiles_each_shape, round_rows, rounded

ROUNDOFF = 2**-8  # of bfloat16, to nearest


def draw(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_every_fused_part_starts_glorot_uniform_as_if_alone(parts):
    torch.manual_seed(0)
    inputs, outputs = 200, 300
    layer = Linear(inputs, parts * outputs, parts=parts)
    bound = math.sqrt(6 / (inputs + outputs))
    for part in layer.weight.detach().split(outputs):
        assert part.abs().max() <= bound
        assert part.abs().max() >= 0.999 * bound
        assert abs(part.mean()) <= 5 * bound / math.sqrt(3 * part.numel())
        assert part.square().mean() == pytest.approx(bound**2 / 3, rel=0.02)
    assert (layer.bias == 0).all()


def test_layer_is_torch_linear_outside_autocast():
    layer, states = Linear(6, 4), draw(0, 2, 3, 6)
    assert torch.equal(layer(states), F.linear(states, layer.weight, layer.bias))


def test_rounded_rows_are_enough_and_at_most_an_eighth_too_many():
    for rows in range(1, 20_000):
        more = round_rows(rows)
        assert rows <= more <= max(rows + 15, rows * 9 / 8)
    assert round_rows(0) == 0


def test_rounding_bounds_the_number_of_shapes():
    """Eight numbers to each doubling above 256 rows, and multiples of 16 below."""
    assert len({round_rows(rows) for rows in range(1, 257)}) == 16
    for power in range(8, 16):
        assert len({round_rows(rows) for rows in range(2**power + 1, 2 ** (power + 1) + 1)}) == 8


def test_few_shapes_reach_the_kernel_under_autocast(monkeypatch):
    shapes = set()
    multiply = F.linear

    def spy(states, *rest):
        shapes.add(tuple(states.shape))
        return multiply(states, *rest)

    monkeypatch.setattr(F, "linear", spy)
    layer = Linear(4, 4)
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        for rows in range(1, 513):
            assert layer(torch.ones(rows, 4)).shape == (rows, 4)
    assert len(shapes) == len({round_rows(rows) for rows in range(1, 513)}) == 24


def test_rounded_copy_ends_in_zeros():
    matrix = draw(0, 19, 3)
    copy = rounded(matrix, torch.float64)
    assert copy.shape == (32, 3)
    assert copy.dtype == torch.float64
    assert torch.equal(copy[:19], matrix.double())
    assert (copy[19:] == 0).all()


def test_only_bfloat16_autocast_on_a_cpu_compiles_each_shape():
    states = torch.ones(2)
    assert not compiles_each_shape(states)
    assert not compiles_each_shape(states.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert compiles_each_shape(states)
        with torch.autocast("cpu", enabled=False):
            assert not compiles_each_shape(states)
    with torch.autocast("cpu", torch.float16):
        assert not compiles_each_shape(states)


@pytest.mark.parametrize("shape", [(5,), (17,), (3, 37), (2, 3, 4)])
def test_layer_and_gradients_under_autocast_are_as_close_as_bfloat16(shape):
    """Bounds, not choices: each factor is rounded once (2^-8 of it) and so is each result; sums are in float32."""
    torch.manual_seed(0)
    layer = Linear(24, 40, parts=2)
    torch.nn.init.normal_(layer.bias)
    states, direction = draw(1, *shape, 24).requires_grad_(), draw(2, *shape, 40).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(states)
    assert output.dtype == torch.bfloat16
    output.backward(direction)
    weight, bias = layer.weight.detach(), layer.bias.detach()

    def assert_product(ours, left, right, rounded_factors, extra=0.0):
        exact, size = left @ right + extra, left.abs() @ right.abs()
        bound = rounded_factors * ROUNDOFF * size + ROUNDOFF * exact.abs() + ROUNDOFF * abs(extra)
        assert ((ours.float() - exact).abs() <= 1.05 * bound + 1e-6).all()

    assert_product(output.detach(), states.detach(), weight.T, 2, bias)
    assert_product(states.grad, direction.float(), weight, 1)
    flat = direction.float().flatten(0, -2)
    assert_product(layer.weight.grad, flat.T, states.detach().flatten(0, -2), 1)
    assert ((layer.bias.grad - flat.sum(0)).abs() <= 1.05 * ROUNDOFF * flat.sum(0).abs() + 1e-6).all()
    for gradient, like in ((states.grad, states), (layer.weight.grad, weight), (layer.bias.grad, bias)):
        assert gradient.dtype == like.dtype == torch.float32
        assert gradient.shape == like.shape


def test_gradient_of_a_gradient_under_autocast_is_refused():
    layer, states = Linear(4, 4), draw(0, 2, 4).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        (gradient,) = torch.autograd.grad(layer(states).float().square().sum(), states, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
