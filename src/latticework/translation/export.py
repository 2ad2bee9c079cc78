"""A trained translator as a model of CTranslate2, to be served without torch: one folder that needs nothing else.

CTranslate2 (Klein et al. 2020) computes the same Transformer. Its search is this library's at length penalty 0, except
for what `README.md` in the folder lists; the settings it gives are the nearest there are.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from latticework.core.checks import one_of
from latticework.core.errors import require
from latticework.core.folders import check_new, new_folder
from latticework.translation.decoding import EXTRA_LENGTH
from latticework.translation.guide import guide

if TYPE_CHECKING:
    from torch import nn

    from latticework.nn import CrossAttention, DecoderLayer, EncoderLayer, FeedForward, Residual, SelfAttention
    from latticework.seq2seq.model import EncoderDecoder
    from latticework.seq2seq.vocabulary import Vocabulary

FORMATS: Final = ("ctranslate2",)
QUANTIZATIONS: Final = (
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
    "int16",
    "float16",
    "bfloat16",
    "float32",
)
PIECES: Final = "vocabulary.model"  # SentencePiece's file, beside CTranslate2's own
GUIDE: Final = "README.md"
LEAST_POSITIONS: Final = 2048  # CTranslate2 looks positions up in a table; left alone, it cuts texts after 1,024 pieces
MOST_POSITIONS: Final = 65_536  # `max_length` may be a million, to leave nothing out


def export_ctranslate2(
    model: EncoderDecoder, vocabulary: Vocabulary, folder: str | os.PathLike[str], *, quantization: str | None = None
) -> None:
    """Write a translator as a folder of CTranslate2, with its vocabulary and a page that says how it is used.

    The folder gets its name once it is complete. A process that is killed before may leave a hidden one beside it.

    Parameters
    ----------
    model, vocabulary
        What was trained.
    folder
        Created, with its parents; may exist if it is empty.
    quantization
        How weights are stored, one of `QUANTIZATIONS`; float32 when absent.

    Raises
    ------
    InputError
        If there is no such quantization, or the folder is not empty or cannot be written.
    MissingExtraError
        If CTranslate2 is not installed.
    """
    if quantization is not None:
        one_of("quantization", quantization, QUANTIZATIONS)
    check_new(folder)
    specification = _specification(model, vocabulary)
    specification.validate()
    specification.optimize(quantization=quantization)
    with new_folder(folder) as temporary:
        specification.save(str(temporary))
        (temporary / PIECES).write_bytes(vocabulary.model)
        page = guide(model.config.max_length, _positions(model), vocabulary=PIECES)
        (temporary / GUIDE).write_text(page, encoding="utf-8")


def _positions(model: EncoderDecoder) -> int:
    """How many positions the table has: within bounds, enough for all that the model was trained on, and its output."""
    return min(max(LEAST_POSITIONS, model.config.max_length + EXTRA_LENGTH), MOST_POSITIONS)


def _specification(model: EncoderDecoder, vocabulary: Vocabulary) -> Any:
    """All weights under CTranslate2's names."""
    ctranslate2 = require("ctranslate2", extra="ctranslate2", purpose="exporting to CTranslate2")

    from latticework.nn import sinusoids
    from latticework.nn.transformer import NORM_EPSILON
    from latticework.seq2seq.vocabulary import BEGIN, END, UNKNOWN

    config = model.config
    made = ctranslate2.specs.TransformerSpec.from_config(config.layers, config.heads, pre_norm=config.norm_first)
    embedding = _array(model.embedding)
    made.encoder.embeddings[0].weight = made.decoder.embeddings.weight = made.decoder.projection.weight = embedding
    table = sinusoids(_positions(model), config.d_model, layout=config.positions).numpy()
    for side, final in (made.encoder, model.encoder_norm), (made.decoder, model.decoder_norm):
        side.scale_embeddings = True
        side.position_encodings.encodings = table
        if config.norm_first:
            _norm(side.layer_norm, final)
    for spec, encoder_layer in zip(made.encoder.layer, model.encoder_layers, strict=True):
        _layer(spec, encoder_layer)
    for spec, decoder_layer in zip(made.decoder.layer, model.decoder_layers, strict=True):
        _layer(spec, decoder_layer)
        _cross_attention(spec.attention, decoder_layer.cross_attention, decoder_layer.cross_attention_residual)
    pieces = vocabulary.pieces(range(len(vocabulary)))
    made.register_source_vocabulary(pieces)
    made.register_target_vocabulary(pieces)
    made.config.unk_token, made.config.bos_token, made.config.eos_token = (
        pieces[index] for index in (UNKNOWN, BEGIN, END)
    )
    made.config.decoder_start_token = pieces[BEGIN]
    made.config.add_source_eos = True
    made.config.layer_norm_epsilon = NORM_EPSILON
    return made


def _layer(spec: Any, layer: EncoderLayer | DecoderLayer) -> None:
    _self_attention(spec.self_attention, layer.attention, layer.attention_residual)
    _feed_forward(spec.ffn, layer.feed_forward, layer.feed_forward_residual)


def _self_attention(spec: Any, attention: SelfAttention, residual: Residual) -> None:
    _linear(spec.linear[0], attention.query_key_value)
    _linear(spec.linear[1], attention.output)
    _norm(spec.layer_norm, residual.norm)


def _cross_attention(spec: Any, attention: CrossAttention, residual: Residual) -> None:
    _linear(spec.linear[0], attention.query)
    _linear(spec.linear[1], attention.key_value)
    _linear(spec.linear[2], attention.output)
    _norm(spec.layer_norm, residual.norm)


def _feed_forward(spec: Any, feed_forward: FeedForward, residual: Residual) -> None:
    _linear(spec.linear_0, feed_forward.expand)
    _linear(spec.linear_1, feed_forward.contract)
    _norm(spec.layer_norm, residual.norm)


def _linear(spec: Any, linear: nn.Linear) -> None:
    spec.weight, spec.bias = _array(linear.weight), _array(linear.bias)


def _norm(spec: Any, norm: nn.Module) -> None:
    spec.gamma, spec.beta = _array(norm.weight), _array(norm.bias)


def _array(parameter: Any) -> Any:
    """A copy, because CTranslate2 quantizes arrays in place."""
    import torch

    return parameter.detach().to("cpu", torch.float32, copy=True).numpy()
