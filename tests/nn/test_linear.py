import math

import pytest
import torch
import torch.nn.functional as F

from latticework.nn import linear as module
from latticework.nn.linear import FEW_ROWS, Linear, apply_linear, by_onednn, multiply, round_rows, rounded

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


@pytest.mark.parametrize("parts", [1, 3])
def test_a_seed_gives_these_weights_when_a_layer_starts_and_when_it_starts_over(parts):
    torch.manual_seed(0)
    expected = torch.nn.Linear(7, 12)
    for part in expected.weight.chunk(parts):
        torch.nn.init.xavier_uniform_(part)
    after = torch.rand(1)
    torch.manual_seed(0)
    layer = Linear(7, 12, parts=parts)
    assert torch.equal(torch.rand(1), after)
    with torch.device("meta"):
        empty = Linear(7, 12, parts=parts)
    for other in (layer, empty.to_empty(device="cpu")):
        torch.manual_seed(0)
        assert torch.equal(layer.weight, expected.weight)
        other.reset_parameters()
        assert torch.equal(other.weight, expected.weight)
        assert (other.bias == 0).all()


@pytest.mark.parametrize("rows", [0, 1, FEW_ROWS, FEW_ROWS + 1, 37, 64])
@pytest.mark.parametrize("biased", [True, False])
def test_a_product_and_its_gradients_are_those_of_torch(rows, biased):
    leaves = [draw(0, 1, rows, 24), draw(1, 40, 24), draw(2, 40)][: 3 if biased else 2]
    for leaf in leaves:
        leaf.requires_grad_()
    direction = draw(3, 1, rows, 40)
    ours, exact = apply_linear(*leaves), F.linear(*(leaf.double() for leaf in leaves))
    torch.testing.assert_close(ours, exact.float(), rtol=1e-5, atol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(apply_linear(*leaves), exact.float(), rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(
        torch.autograd.grad(ours, leaves, direction),
        torch.autograd.grad(exact, leaves, direction.double()),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


def test_float64_is_left_to_torch():
    layer, states = Linear(6, 4).double(), draw(0, 2, 9, 6).double()
    assert torch.equal(layer(states), F.linear(states, layer.weight, layer.bias))
    assert torch.autograd.gradgradcheck(layer, states.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_transposed_views_are_multiplied_as_they_lie(dtype):
    left, right = draw(0, 16, 8).to(dtype), draw(1, 16, 12).to(dtype)
    tolerance = 2**-6 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(multiply(left.T, right.T), left.T @ right, rtol=tolerance, atol=tolerance)


def test_rounded_rows_are_enough_and_at_most_an_eighth_too_many():
    for rows in range(1, 20_000):
        more = round_rows(rows)
        assert rows <= more <= max(rows + 3, rows * 9 / 8)
    assert round_rows(0) == 0


def test_rounding_bounds_the_number_of_shapes():
    """Eight numbers to each doubling above 64 rows, and multiples of 4 below."""
    assert len({round_rows(rows) for rows in range(1, 65)}) == 16
    for power in range(6, 16):
        assert len({round_rows(rows) for rows in range(2**power + 1, 2 ** (power + 1) + 1)}) == 8


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_few_shapes_reach_the_kernel(monkeypatch, precision):
    shapes = set()

    def spy(states, *rest):
        shapes.add(tuple(states.shape))
        return multiply(states, *rest)

    monkeypatch.setattr(module, "multiply", spy)
    layer = Linear(4, 4)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"), torch.inference_mode():
        for rows in range(FEW_ROWS + 1, 513):
            assert layer(torch.ones(rows, 4)).shape == (rows, 4)
    assert len(shapes) == len({round_rows(rows) for rows in range(FEW_ROWS + 1, 513)}) == 39


def test_rounded_copy_ends_in_zeros():
    matrix = draw(0, 19, 3)
    copy = rounded(matrix, torch.float64)
    assert copy.shape == (20, 3)
    assert copy.dtype == torch.float64
    assert torch.equal(copy[:19], matrix.double())
    assert (copy[19:] == 0).all()
    assert rounded(copy, torch.float64) is copy


def test_onednn_multiplies_float32_and_under_autocast_bfloat16_on_a_cpu():
    states, weight = draw(0, 9, 4), draw(1, 3, 4)
    assert by_onednn(states, torch.float32)
    assert not by_onednn(states, torch.float64)
    assert not by_onednn(states, torch.bfloat16)
    assert not by_onednn(states.to("meta"), torch.float32)
    assert apply_linear(states.to("meta"), weight.to("meta")).shape == (9, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert by_onednn(states, torch.bfloat16)
    torch._C._set_mkldnn_enabled(False)  # as torch.backends.mkldnn.flags does, which warns of other devices
    try:
        assert not by_onednn(states, torch.float32)
        assert torch.equal(apply_linear(states, weight), F.linear(states, weight))
    finally:
        torch._C._set_mkldnn_enabled(True)


@pytest.mark.parametrize("rows", [2, 9])
def test_types_that_do_not_go_together_are_refused_as_by_torch(rows):
    for states, weight in (
        (draw(0, rows, 4), draw(1, 3, 4).double()),
        (draw(0, rows, 4).double(), draw(1, 3, 4)),
        (draw(0, rows, 4).bfloat16(), draw(1, 3, 4)),
    ):
        with pytest.raises(RuntimeError, match="same dtype"):
            apply_linear(states, weight)


@pytest.mark.parametrize("autocast", [False, True])
def test_one_row_may_have_no_axis_of_its_own(autocast):
    states, weight = draw(0, 40), draw(1, 30, 40)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        torch.testing.assert_close(apply_linear(states, weight), F.linear(states, weight))


@pytest.mark.parametrize("rows", [3, 30])
@pytest.mark.parametrize("autocast", [False, True])
def test_biases_lie_in_memory_as_they_like(rows, autocast):
    states, weight, tolerance = draw(0, rows, 8), draw(1, 12, 8), 2**-5 if autocast else 1e-5
    for bias in (draw(2, 24)[::2], draw(2, 1).expand(12)):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            found = apply_linear(states, weight, bias)
        torch.testing.assert_close(found.float(), states @ weight.T + bias, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rows", [3, 30])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("learnt", range(3))
def test_one_of_three_alone_may_be_learnt(rows, autocast, learnt):
    tensors = [draw(0, rows, 8), draw(1, 12, 8), draw(2, 12)]
    tensors[learnt].requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        apply_linear(*tensors).float().square().sum().backward()
    found = tensors[learnt].grad
    tensors[learnt].grad = None
    F.linear(*tensors).square().sum().backward()
    scale = tensors[learnt].grad.abs().max().item()
    torch.testing.assert_close(found / scale, tensors[learnt].grad / scale, rtol=0, atol=0.03 if autocast else 1e-5)
    assert [tensor.grad is None for tensor in tensors].count(False) == 1


def test_gradients_in_float32_have_gradients():
    def second(product):
        leaves = [draw(0, 9, 4).requires_grad_(), draw(1, 7, 4).requires_grad_(), draw(2, 7).requires_grad_()]
        first = torch.autograd.grad(product(*leaves).pow(3).sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum(gradient.square().sum() for gradient in first), leaves)

    for ours, theirs in zip(second(apply_linear), second(F.linear), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-2)


def test_functions_of_functions_see_torchs_own_product():
    layer, states = Linear(4, 7), draw(0, 9, 4)
    expected = torch.func.jacrev(lambda x: F.linear(x, layer.weight, layer.bias))(states)
    assert torch.equal(torch.func.jacrev(layer)(states), expected)
    torch.testing.assert_close(torch.func.vmap(layer)(states[:, None]), layer(states[:, None]))


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
    layer, states = Linear(4, 4), draw(0, 9, 4).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        (gradient,) = torch.autograd.grad(layer(states).float().square().sum(), states, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
