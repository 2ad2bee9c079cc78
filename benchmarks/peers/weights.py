"""Our weights under the names of others: JoeyNMT's, and those of `torch.nn.Transformer`."""

from __future__ import annotations

import torch
from torch import Tensor

from latticework.nn import sinusoids
from latticework.seq2seq.model import EncoderDecoder
from latticework.seq2seq.vocabulary import PAD, UNKNOWN

JOEYNMT_POSITIONS = 5000  # rows of its table of positions

# Their module -> our modules, each with which of how many equal parts of its rows are meant; theirs are these stacked.
_Sources = list[tuple[str, int, int]]


def _whole(*names: str) -> _Sources:
    return [(name, 0, 1) for name in names]


_FUSED, _MEMORY = "attention.query_key_value", "cross_attention.key_value"
_JOEYNMT_FEED_FORWARD: dict[str, _Sources] = {
    "feed_forward.layer_norm": _whole("feed_forward_residual.norm"),
    "feed_forward.pwff_layer.0": _whole("feed_forward.expand"),
    "feed_forward.pwff_layer.3": _whole("feed_forward.contract"),
}
JOEYNMT_ENCODER: dict[str, _Sources] = {
    "layer_norm": _whole("attention_residual.norm"),
    "src_src_att.q_layer": [(_FUSED, 0, 3)],
    "src_src_att.k_layer": [(_FUSED, 1, 3)],
    "src_src_att.v_layer": [(_FUSED, 2, 3)],
    "src_src_att.output_layer": _whole("attention.output"),
    **_JOEYNMT_FEED_FORWARD,
}
JOEYNMT_DECODER: dict[str, _Sources] = {
    "x_layer_norm": _whole("attention_residual.norm"),
    "trg_trg_att.q_layer": [(_FUSED, 0, 3)],
    "trg_trg_att.k_layer": [(_FUSED, 1, 3)],
    "trg_trg_att.v_layer": [(_FUSED, 2, 3)],
    "trg_trg_att.output_layer": _whole("attention.output"),
    "dec_layer_norm": _whole("cross_attention_residual.norm"),
    "src_trg_att.q_layer": _whole("cross_attention.query"),
    "src_trg_att.k_layer": [(_MEMORY, 0, 2)],
    "src_trg_att.v_layer": [(_MEMORY, 1, 2)],
    "src_trg_att.output_layer": _whole("cross_attention.output"),
    **_JOEYNMT_FEED_FORWARD,
}
_TORCH_BOTH: dict[str, _Sources] = {
    "self_attn.in_proj_": _whole(_FUSED),
    "self_attn.out_proj": _whole("attention.output"),
    "linear1": _whole("feed_forward.expand"),
    "linear2": _whole("feed_forward.contract"),
    "norm1": _whole("attention_residual.norm"),
}
TORCH_ENCODER: dict[str, _Sources] = {**_TORCH_BOTH, "norm2": _whole("feed_forward_residual.norm")}
TORCH_DECODER: dict[str, _Sources] = {
    **_TORCH_BOTH,
    "multihead_attn.in_proj_": _whole("cross_attention.query", _MEMORY),
    "multihead_attn.out_proj": _whole("cross_attention.output"),
    "norm2": _whole("cross_attention_residual.norm"),
    "norm3": _whole("feed_forward_residual.norm"),
}


def joeynmt_state(model: EncoderDecoder) -> dict[str, Tensor]:
    """The state of JoeyNMT's model; it wants the unknown piece first and padding second, which we have the other way.

    One embedding has three names there, and the table of positions, which it saves too, has two.
    """
    if model.config.norm_first:
        raise ValueError("only the paper's order of normalisation is converted")
    embedding = model.embedding.detach()[joeynmt_order(len(model.embedding))]
    positions = sinusoids(JOEYNMT_POSITIONS, model.config.d_model, layout=model.config.positions)[None]
    names = ("src_embed.lut.weight", "trg_embed.lut.weight", "decoder.output_layer.weight")
    return {
        **dict.fromkeys(names, embedding),
        **{f"{side}.pe.pe": positions for side in ("encoder", "decoder")},
        **_layers(model, "encoder", "encoder.layers", JOEYNMT_ENCODER),
        **_layers(model, "decoder", "decoder.layers", JOEYNMT_DECODER),
    }


def joeynmt_order(size: int) -> list[int]:
    """Which of our pieces is JoeyNMT's first, second, ...

    Examples
    --------
    >>> joeynmt_order(5)
    [1, 0, 2, 3, 4]
    """
    return [UNKNOWN, PAD, *range(max(UNKNOWN, PAD) + 1, size)]


def torch_state(model: EncoderDecoder) -> dict[str, Tensor]:
    """The state of a `torch.nn.Transformer` that has no norms of its own at the ends of its stacks."""
    if model.config.norm_first:
        raise ValueError("only the paper's order of normalisation is converted")
    return {
        **_layers(model, "encoder", "encoder.layers", TORCH_ENCODER),
        **_layers(model, "decoder", "decoder.layers", TORCH_DECODER),
    }


def _layers(model: EncoderDecoder, ours: str, theirs: str, names: dict[str, _Sources]) -> dict[str, Tensor]:
    state = {}
    for number in range(model.config.layers):
        for name, sources in names.items():
            for kind in ("weight", "bias"):
                parts = [
                    model.get_parameter(f"{ours}.{number}.{source}.{kind}").detach().chunk(parts)[part]
                    for source, part, parts in sources
                ]
                joint = "" if name.endswith("_") else "."
                state[f"{theirs}.{number}.{name}{joint}{kind}"] = torch.cat(parts)
    return state
