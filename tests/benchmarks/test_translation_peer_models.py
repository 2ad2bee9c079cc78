"""The same weights in every system, and how the drivers time what is done with them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.peers import timing, torch_driver
from benchmarks.peers.weights import joeynmt_order, joeynmt_state, torch_state
from latticework.nn.sequences import EncodedText
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.decoding import check_search, search_texts
from latticework.seq2seq.model import EncoderDecoder, shift_right
from latticework.seq2seq.vocabulary import END, PAD, UNKNOWN

CONFIG = TransformerConfig(layers=2, d_model=16, heads=2, feed_forward=24, dropout=0.0, label_smoothing=0.1)
pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")


@pytest.fixture
def model() -> EncoderDecoder:
    torch.manual_seed(3)
    model = EncoderDecoder(CONFIG, vocabulary_size=30).eval()
    for parameter in model.parameters():  # nothing may stay at what all models begin with
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@pytest.fixture
def texts() -> EncodedText:
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 9, 12)
    return EncodedText.from_sequences([[*generator.integers(4, 30, length).tolist(), END] for length in lengths])


def test_the_plain_loop_finds_what_our_greedy_search_finds(model: EncoderDecoder, texts: EncodedText) -> None:
    options, wanted = check_search(1, 0.0, 1, 30), np.ones(len(texts), dtype=bool)
    device = torch.device("cpu")
    found = search_texts(model, texts, wanted, options, extra_length=60, device=device, doing="searching")
    ours = [best[0].tokens for best in found]
    source = texts.padded(np.arange(len(texts)), padding=PAD)
    theirs = torch_driver.PlainTransformer.of(model).search(source, beam=1, limit=50)
    for row, tokens in zip(theirs, ours, strict=True):
        assert [piece for piece in row if piece not in (PAD, END)] == tokens[:50]


def test_a_wide_beam_of_the_plain_loop_finds_the_most_probable_output() -> None:
    torch.manual_seed(0)
    model = EncoderDecoder(CONFIG, vocabulary_size=6).eval()
    model.embedding.data *= 4  # or all outputs would be about as probable
    source = torch.tensor([[4, 5, 4, END], [5, 5, END, PAD]])
    found = torch_driver.PlainTransformer.of(model).search(source, beam=20, limit=3)
    lengths = [*itertools.product((4, 5), repeat=3), *itertools.product((4, 5), (4, 5), (END,))]
    outputs = torch.tensor([*lengths, (4, END, PAD), (5, END, PAD), (END, PAD, PAD)])
    for row, one in enumerate(source):
        memory = model.remember(one[one != PAD].expand(len(outputs), -1))
        log_p = (model.decode(shift_right(outputs), memory) @ model.embedding.T).log_softmax(-1)
        totals = (log_p.gather(2, outputs[:, :, None])[:, :, 0] * (outputs != PAD)).sum(1)
        assert found[row] == outputs[totals.argmax()].tolist()[: len(found[row])]


def test_the_plain_loop_has_our_loss(model: EncoderDecoder, texts: EncodedText) -> None:
    plain = torch_driver.PlainTransformer.of(model).train()
    source = texts.padded(np.arange(6), padding=PAD)
    target = texts.padded(np.arange(6, 12), padding=PAD)
    assert plain(source, target).item() == pytest.approx(model.train()(source, target).item(), rel=1e-5)


def test_the_plain_loop_has_every_weight_once(model: EncoderDecoder) -> None:
    assert sum(tensor.numel() for tensor in torch_state(model).values()) + model.embedding.numel() == sum(
        parameter.numel() for parameter in model.parameters()
    )


def test_joeynmt_gets_every_weight_once(model: EncoderDecoder) -> None:
    """Each number of ours is another, so that where it comes to lie tells which it was."""
    count = 0
    for parameter in model.parameters():
        parameter.data = torch.arange(count, count + parameter.numel()).view_as(parameter).double()
        count += parameter.numel()
    state = joeynmt_state(model)
    embeddings = {name for name in state if "lut" in name or name == "decoder.output_layer.weight"}
    positions = {name for name in state if name.endswith(".pe")}
    kept = [state[name].flatten() for name in state if name not in embeddings | positions]
    found = torch.cat([*kept, state["src_embed.lut.weight"].flatten()])
    assert torch.equal(found.sort().values, torch.arange(count).double())
    assert len(embeddings) == 3
    assert len(positions) == 2


def test_joeynmt_gets_weights_under_its_names(model: EncoderDecoder) -> None:
    state = joeynmt_state(model)
    layer = model.decoder_layers[1]
    fused = layer.attention.query_key_value
    expected = {
        "trg_trg_att.q_layer.weight": fused.weight[:16],
        "trg_trg_att.k_layer.weight": fused.weight[16:32],
        "trg_trg_att.v_layer.bias": fused.bias[32:],
        "src_trg_att.v_layer.weight": layer.cross_attention.key_value.weight[16:],
        "dec_layer_norm.weight": layer.cross_attention_residual.norm.weight,
        "feed_forward.pwff_layer.3.bias": layer.feed_forward.contract.bias,
    }
    for name, tensor in expected.items():
        assert torch.equal(state[f"decoder.layers.1.{name}"], tensor), name


def test_joeynmt_wants_the_unknown_piece_before_padding(model: EncoderDecoder) -> None:
    embedding = joeynmt_state(model)["trg_embed.lut.weight"]
    assert torch.equal(embedding[0], model.embedding[UNKNOWN])
    assert torch.equal(embedding[1], model.embedding[PAD])
    assert torch.equal(embedding[2:], model.embedding[2:])
    assert sorted(joeynmt_order(30)) == list(range(30))


def test_another_order_of_normalisation_is_not_converted() -> None:
    config = TransformerConfig(layers=1, d_model=8, heads=2, feed_forward=8, norm_first=True)
    other = EncoderDecoder(config, vocabulary_size=9)
    for convert in (joeynmt_state, torch_state):
        with pytest.raises(ValueError, match="order of normalisation"):
            convert(other)


def job(**changes: Any) -> timing.Job:
    cells = [
        {"name": "batches of 2, beam 4", "batch": 2, "beam": 4, "sentences": 3},
        {"name": "whole file, beam 1", "batch": None, "beam": 1, "sentences": 9},
    ]
    return {
        "cells": cells,
        "sentences": list("abcde"),
        "pieces": [2, 9, 3, 4, 5],
        "extra_length": 50,
        "warm_up": 2,
        "steps": 3,
    } | changes


def test_a_cell_is_its_sentences_in_calls_after_one_that_does_not_count() -> None:
    calls = []

    def translate(sentences: list[str], **options: Any) -> list[str]:
        calls.append(("".join(sentences), options))
        return [sentence.upper() for sentence in sentences]

    found = timing.time_decoding(job(), translate)
    pairs = {"beam": 4, "whole": False}
    whole = {"beam": 1, "whole": True, "limit": 59}
    assert calls == [
        ("ab", {**pairs, "limit": 59}),
        ("ab", {**pairs, "limit": 59}),
        ("c", {**pairs, "limit": 53}),
        ("abcde", whole),
        ("abcde", whole),
    ]
    assert found["batches of 2, beam 4"]["texts"] == ["A", "B", "C"]
    assert found["whole file, beam 1"]["texts"] == list("ABCDE")
    assert all(cell["wall"] > 0 for cell in found.values())


def test_steps_count_between_the_warm_up_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, cpu = iter(range(0, 100, 2)), iter(range(100))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(wall)))
    monkeypatch.setattr(timing.time, "process_time", lambda: float(next(cpu)))
    steps = timing.Steps(job())
    for step in range(steps.total):
        steps.begin(step * 10)
    assert steps.total == 6
    assert steps.figures() == {"wall": 6.0, "cpu": 3.0, "tokens": 30}
