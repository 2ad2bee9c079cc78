import pytest
import torch
from torch import nn

from latticework.nn.vision import VisionLayer


def drawn(**options):
    torch.manual_seed(0)
    layer = VisionLayer(12, 3, 20, **options).double()
    for parameter in layer.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return layer


@pytest.mark.parametrize("epsilon", [1e-6, 0.1])
@pytest.mark.parametrize("attention_bias", [True, False])
def test_layer_and_gradients_equal_torch(epsilon, attention_bias):
    layer = drawn(epsilon=epsilon, attention_bias=attention_bias)
    peer = nn.TransformerEncoderLayer(
        12, 3, 20, 0.0, "gelu", layer_norm_eps=epsilon, batch_first=True, norm_first=True, dtype=torch.float64
    )
    fused = layer.attention.query_key_value
    own = {
        "self_attn.in_proj_weight": fused.weight,
        "self_attn.in_proj_bias": torch.zeros(36) if fused.bias is None else fused.bias,
        "self_attn.out_proj": layer.attention.output,
        "linear1": layer.feed_forward.expand,
        "linear2": layer.feed_forward.contract,
        "norm1": layer.attention_norm,
        "norm2": layer.feed_forward_norm,
    }
    state = {}
    for name, value in own.items():
        if isinstance(value, nn.Module):
            state |= {f"{name}.weight": value.weight, f"{name}.bias": value.bias}
        else:
            state[name] = value
    peer.load_state_dict(state)
    ours, theirs = (torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(1)).double() for _ in range(2))
    found, expected = layer(ours.requires_grad_()), peer(theirs.requires_grad_())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(layer.feed_forward.expand.weight.grad, peer.linear1.weight.grad, rtol=1e-10, atol=1e-10)


def test_without_biases_of_attention_there_are_none_to_learn():
    assert "attention.query_key_value.bias" not in drawn(attention_bias=False).state_dict()
    assert "attention.query_key_value.bias" in drawn().state_dict()
