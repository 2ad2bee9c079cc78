"""A step equals the layer that sees all positions at once, in every type and order of rows."""

import pytest
import torch
import torch.nn.functional as F
from nn.drawing import draw

from latticework.nn import DecoderLayer, DecoderLayerSteps, KeyValueCache, stepping
from latticework.nn.linear import FEW_ROWS, multiply, round_rows
from latticework.nn.stepping import Product

TYPES = [(torch.float32, 1e-5), (torch.float64, 1e-12)]


@pytest.mark.parametrize("dtype, tolerance", TYPES)
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("beam", [1, 3])
def test_steps_of_a_decoder_layer_equal_all_positions_at_once(norm_first, beam, dtype, tolerance):
    sentences, time = 2, 40  # the caches grow
    torch.manual_seed(0)
    layer = DecoderLayer(12, 3, 16, dropout=0.5, norm_first=norm_first).to(dtype).eval()
    for parameter in layer.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
    states, memory = draw(0, sentences, beam, time, 12, dtype=dtype), draw(1, sentences, 5, 12, dtype=dtype)
    mask = (torch.arange(5) < torch.tensor([[5], [2]]))[:, None, None, :]
    with torch.inference_mode():
        keys_values = layer.cross_attention.project_memory(memory)
        step, cache = DecoderLayerSteps(layer, dtype), KeyValueCache()
        steps = [
            step(states[:, :, t].flatten(0, 1), keys_values, cache, memory_mask=mask).view(sentences, beam, 12)
            for t in range(time)
        ]
        for k in range(beam):
            whole = layer(states[:, k], keys_values, memory_mask=mask)
            torch.testing.assert_close(torch.stack(steps, 2)[:, k], whole, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype, tolerance", [*TYPES, (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("rows", [1, 4, 30, 64, 200])
@pytest.mark.parametrize("relu", [False, True])
def test_a_product_is_the_linear_layer(rows, relu, dtype, tolerance):
    states, weight = draw(0, rows, 24, dtype=dtype), draw(1, 40, 24)
    for bias in (draw(2, 40), draw(2, 80)[::2], None):
        expected = F.linear(states.double(), weight, bias)
        expected = expected.relu() if relu else expected
        with torch.inference_mode():
            found = Product(weight, bias, dtype, relu=relu)(states)
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


def test_under_autocast_few_shapes_reach_the_kernel(monkeypatch):
    shapes = set()

    def spy(states, *rest):
        shapes.add(len(states))
        return multiply(states, *rest)

    monkeypatch.setattr(stepping, "multiply", spy)
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        product = Product(draw(0, 8, 4).float(), None, torch.bfloat16)
        for rows in range(FEW_ROWS + 1, 200):
            assert product(torch.ones(rows, 4)).shape == (rows, 8)
    assert shapes == {round_rows(rows) for rows in range(FEW_ROWS + 1, 200)}
