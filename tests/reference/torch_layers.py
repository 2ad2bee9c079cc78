"""torch's own Transformer layers with the weights of ours, and stacks of them."""

import torch
from torch import nn


def torch_encoder_layer(layer, heads):
    return _with_state(nn.TransformerEncoderLayer, layer, heads, _encoder_names())


def torch_decoder_layer(layer, heads):
    return _with_state(nn.TransformerDecoderLayer, layer, heads, _decoder_names())


def torch_encoder(layers, norm, heads):
    copies = [torch_encoder_layer(layer, heads) for layer in layers]
    stack = nn.TransformerEncoder(copies[0], len(copies), norm=_own(norm), enable_nested_tensor=False)
    stack.layers = nn.ModuleList(copies)
    return stack


def torch_decoder(layers, norm, heads):
    copies = [torch_decoder_layer(layer, heads) for layer in layers]
    stack = nn.TransformerDecoder(copies[0], len(copies), norm=_own(norm))
    stack.layers = nn.ModuleList(copies)
    return stack


def gradients_of(layer, copy):
    """Gradients of the copy under the names of ours."""
    names = _decoder_names() if isinstance(copy, nn.TransformerDecoderLayer) else _encoder_names()
    theirs = {name: parameter.grad for name, parameter in copy.named_parameters()}
    gradients = {}
    for name, ours in names.items():
        pieces = theirs[name].split([layer.get_parameter(each).shape[0] for each in ours])
        gradients |= dict(zip(ours, pieces, strict=True))
    return gradients


def _with_state(kind, layer, heads, names):
    hidden, d_model = layer.feed_forward.expand.weight.shape
    copy = kind(
        d_model,
        heads,
        hidden,
        dropout=0.0,
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=layer.attention_residual.norm_first,
        dtype=layer.feed_forward.expand.weight.dtype,
    )
    state = {name: torch.cat([layer.get_parameter(each).detach() for each in ours]) for name, ours in names.items()}
    copy.load_state_dict(state)  # strict: nothing of either side is left out
    return copy


def _own(norm):
    if not isinstance(norm, nn.LayerNorm):
        return None
    copy = nn.LayerNorm(norm.normalized_shape, eps=norm.eps, dtype=norm.weight.dtype)
    copy.load_state_dict(norm.state_dict())
    return copy


def _attention(theirs, weight, bias, output):
    return {
        f"{theirs}.in_proj_weight": weight,
        f"{theirs}.in_proj_bias": bias,
        f"{theirs}.out_proj.weight": [f"{output}.weight"],
        f"{theirs}.out_proj.bias": [f"{output}.bias"],
    }


def _pairs(names):
    return {f"{theirs}.{kind}": [f"{ours}.{kind}"] for theirs, ours in names.items() for kind in ("weight", "bias")}


def _self_attention():
    fused = "attention.query_key_value"
    return _attention("self_attn", [f"{fused}.weight"], [f"{fused}.bias"], "attention.output")


def _encoder_names():
    """Their name -> ours, to be stacked in this order."""
    return {
        **_self_attention(),
        **_pairs(
            {
                "linear1": "feed_forward.expand",
                "linear2": "feed_forward.contract",
                "norm1": "attention_residual.norm",
                "norm2": "feed_forward_residual.norm",
            }
        ),
    }


def _decoder_names():
    query, key_value = "cross_attention.query", "cross_attention.key_value"
    return {
        **_self_attention(),
        **_attention(
            "multihead_attn",
            [f"{query}.weight", f"{key_value}.weight"],
            [f"{query}.bias", f"{key_value}.bias"],
            "cross_attention.output",
        ),
        **_pairs(
            {
                "linear1": "feed_forward.expand",
                "linear2": "feed_forward.contract",
                "norm1": "attention_residual.norm",
                "norm2": "cross_attention_residual.norm",
                "norm3": "feed_forward_residual.norm",
            }
        ),
    }
