from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import transformer as reference
from reference.derivatives import assert_gradients
from reference.torch_layers import gradients_of, torch_decoder, torch_encoder
from seq2seq.texts import sentences

from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.learning import training_plan
from latticework.seq2seq.model import EncoderDecoder, Memory, Past, padding_mask, shift_right
from latticework.seq2seq.vocabulary import BEGIN, END, PAD, SPECIAL

ENCODINGS = {"paper": reference.positions, "t2t": reference.positions_of_the_published_code}

orders = pytest.mark.parametrize("norm_first", [False, True])


def make(vocabulary=11, *, seed=0, dtype=torch.float64, norm_first=False, positions="paper", layers=2, smoothing=0.0):
    """A small model without dropout; its biases and norms are drawn too."""
    torch.manual_seed(seed)
    config = TransformerConfig(
        layers=layers,
        d_model=8,
        heads=2,
        feed_forward=12,
        dropout=0.0,
        label_smoothing=smoothing,
        norm_first=norm_first,
        positions=positions,
    )
    model = EncoderDecoder(config, vocabulary).to(dtype)
    for name, parameter in model.named_parameters():
        if name != "embedding":
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model


def logits_of(model, states):
    """The product with the shared embedding, without a bias."""
    return states @ model.embedding.T


def slow_logits(weights, source, inputs, model):
    """The paper's, for one pair; positions are rounded to float32, as the model's table is."""
    encodings = ENCODINGS[model.config.positions](max(len(source), len(inputs)), 8).astype(np.float32)
    return reference.encoder_decoder_logits(
        weights,
        source,
        inputs,
        layers=model.config.layers,
        heads=model.config.heads,
        norm_first=model.config.norm_first,
        encodings=encodings,
    )


def slow_loss(weights, source, target, model, smoothing):
    total = 0.0
    for texts in zip(source.tolist(), target.tolist(), strict=True):
        words, golds = ([token for token in text if token != PAD] for text in texts)
        logits = slow_logits(weights, words, [BEGIN, *golds[:-1]], model)
        total += sum(
            reference.smoothed_cross_entropy(row, gold, smoothing) for row, gold in zip(logits, golds, strict=True)
        )
    return total


@settings(max_examples=6)
@given(
    source_lengths=st.lists(st.integers(1, 4), min_size=2, max_size=2),
    target_lengths=st.lists(st.integers(1, 4), min_size=2, max_size=2),
    norm_first=st.booleans(),
    positions=st.sampled_from(["paper", "t2t"]),
    seed=st.integers(0, 99),
)
def test_logits_of_padded_sentences_are_the_papers(source_lengths, target_lengths, norm_first, positions, seed):
    model = make(seed=seed, norm_first=norm_first, positions=positions)
    source, target = sentences(seed, source_lengths), sentences(seed + 1, target_lengths)
    logits = logits_of(model, model.decode(shift_right(target), model.remember(source))).detach().numpy()
    for row, (words, golds) in enumerate(zip(source_lengths, target_lengths, strict=True)):
        inputs = [BEGIN, *target[row, : golds - 1].tolist()]
        expected = slow_logits(reference.weights_of(model), source[row, :words].tolist(), inputs, model)
        np.testing.assert_allclose(logits[row, :golds], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "norm_first, positions, smoothing", [(False, "paper", 0.1), (True, "t2t", 0.1), (False, "paper", 0.0)]
)
def test_loss_and_gradients_in_training_are_the_papers(norm_first, positions, smoothing):
    model = make(norm_first=norm_first, positions=positions, smoothing=smoothing).train()
    source, target = sentences(0, [3, 2]), sentences(1, [2, 4])
    loss = model(source, target)
    loss.backward()
    values = reference.weights_of(model)
    gradients = {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}
    assert gradients.keys() == values.keys()
    np.testing.assert_allclose(loss.item(), slow_loss(values, source, target, model, smoothing), rtol=1e-12)
    assert_gradients(lambda values: slow_loss(values, source, target, model, smoothing), values, gradients)


def test_evaluation_does_not_smooth():
    model, source, target = make(smoothing=0.1), sentences(0, [3]), sentences(1, [4])
    values = reference.weights_of(model)
    for training, smoothing in ((True, 0.1), (False, 0.0)):
        expected = slow_loss(values, source, target, model, smoothing)
        assert model.train(training)(source, target).item() == pytest.approx(expected, rel=1e-12)


@orders
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("lengths", [[6, 6], [6, 3]])
def test_stacks_and_gradients_equal_torch(norm_first, dtype, tolerance, lengths):
    model = make(dtype=dtype, norm_first=norm_first, layers=3)
    source, target = sentences(0, lengths), sentences(1, [5, 5])
    encoder = torch_encoder(model.encoder, model.encoder_norm, 2)
    decoder = torch_decoder(model.decoder, model.decoder_norm, 2)
    hidden = source == PAD if min(lengths) < 6 else None
    encoded = model.encode(source, padding_mask(source))
    their_encoded = encoder(model.embed(source).detach(), src_key_padding_mask=hidden)
    torch.testing.assert_close(encoded, their_encoded, rtol=0, atol=tolerance)
    inputs = shift_right(target)
    states = model.decode(inputs, model.memory(encoded, padding_mask(source)))
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    embedded = model.embed(inputs).detach()
    their_states = decoder(embedded, their_encoded, tgt_mask=future, memory_key_padding_mask=hidden)
    torch.testing.assert_close(states, their_states, rtol=0, atol=tolerance)
    direction = torch.randn(states.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)
    (states * direction).sum().backward()
    (their_states * direction).sum().backward()
    layers = [*zip(model.encoder, encoder.layers, strict=True), *zip(model.decoder, decoder.layers, strict=True)]
    for layer, copy in layers:
        theirs = gradients_of(layer, copy)
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(parameter.grad, theirs[name], rtol=tolerance, atol=tolerance)
    if norm_first:
        torch.testing.assert_close(
            model.encoder_norm.weight.grad, encoder.norm.weight.grad, rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize(
    "config, vocabulary, count",
    [
        (TransformerConfig(), 32_000, 60_522_496),
        (TransformerConfig(), 37_000, 63_082_496),
        (TransformerConfig(d_model=1024, heads=16, feed_forward=4096), 37_000, 214_245_376),
        (TransformerConfig(norm_first=True), 32_000, 60_522_496 + 4 * 512),
    ],
)
def test_model_has_the_papers_number_of_parameters(config, vocabulary, count):
    """N·(encoder layer + decoder layer) + V·d_model; the norms at the ends come with norm_first only."""
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in EncoderDecoder(config, vocabulary).parameters()) == count


def test_embedding_starts_normal_with_a_zero_row_for_padding():
    torch.manual_seed(0)
    config = TransformerConfig(layers=1, d_model=64, heads=4, feed_forward=8)
    embedding = EncoderDecoder(config, 4000).embedding.detach()
    assert (embedding[PAD] == 0).all()
    rest = embedding[PAD + 1 :]
    assert rest.std() == pytest.approx(64**-0.5, rel=0.01)
    assert abs(rest.mean()) < 5 * 64**-0.5 / rest.numel() ** 0.5
    assert (rest.abs() < 64**-0.5).double().mean() == pytest.approx(0.6827, abs=0.005)


def test_all_linear_layers_start_as_glorot_does_and_without_bias():
    model = EncoderDecoder(TransformerConfig(layers=1, d_model=64, heads=4, feed_forward=256), 10)
    fused = {"query_key_value": 3, "key_value": 2}
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all()
        elif parameter.dim() == 2 and name != "embedding":
            parts = fused.get(name.split(".")[-2], 1)
            for part in parameter.chunk(parts):
                bound = (6 / sum(part.shape)) ** 0.5
                assert 0.99 * bound < part.abs().max() <= bound


@orders
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("time", [6, 90])
def test_later_tokens_leave_earlier_decoder_states_bit_equal(norm_first, autocast, time):
    model = make(dtype=torch.float32, norm_first=norm_first)
    inputs = sentences(1, [time, time])
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast), torch.no_grad():
        memory = model.remember(sentences(0, [5, 3]))
        before = model.decode(inputs, memory)
        for t in {1, time // 2, time - 1}:
            changed = inputs.clone()
            changed[:, t:] = SPECIAL + (changed[:, t:] + 1) % (11 - SPECIAL)
            assert (changed[:, t:] != inputs[:, t:]).all()
            after = model.decode(changed, memory)
            assert torch.equal(after[:, :t], before[:, :t])
            assert (after[:, t:] != before[:, t:]).any(-1).all()


@orders
def test_sentence_in_a_batch_has_the_states_it_has_alone(norm_first):
    model = make(dtype=torch.float32, norm_first=norm_first)
    source_lengths, target_lengths = [9, 1, 4, 6], [2, 8, 5, 1]
    source, target = sentences(0, source_lengths), sentences(1, target_lengths)
    states = model.decode(shift_right(target), model.remember(source))
    for row, (words, golds) in enumerate(zip(source_lengths, target_lengths, strict=True)):
        alone = source[row : row + 1, :words], target[row : row + 1, :golds]
        single = model.decode(shift_right(alone[1]), model.remember(alone[0]))
        torch.testing.assert_close(states[row, :golds], single[0], rtol=0, atol=1e-5)
        nats = model.eval()(*alone)
        assert nats.item() == pytest.approx(slow_loss(reference.weights_of(model), *alone, model, 0.0), rel=1e-5)


@pytest.mark.parametrize("autocast", [False, True])
def test_source_of_padding_alone_gives_no_nan(autocast):
    model = make(dtype=torch.float32).train()
    source, target = sentences(0, [4, 1]), sentences(1, [3, 3])
    source[1] = PAD
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = model(source, target)
    loss.backward()
    assert loss.isfinite()
    for parameter in model.parameters():
        assert parameter.grad.isfinite().all()


def test_targets_of_padding_alone_cost_nothing():
    model, source = make().eval(), sentences(0, [4, 2])
    target = sentences(1, [3, 3])
    both = model(source, target)
    target[1] = PAD
    assert model(source, target).item() == pytest.approx(model(source[:1], target[:1]).item(), rel=1e-12)
    assert model(source, target) < both


def test_mask_is_absent_where_there_is_no_padding():
    full = sentences(0, [4, 4])
    assert padding_mask(full) is None
    mask = padding_mask(sentences(0, [4, 2]))
    assert mask[:, 0, 0].tolist() == [[True] * 4, [True, True, False, False]]


def test_shifted_target_begins_and_loses_its_last():
    assert shift_right(torch.tensor([[7, 8, END], [9, END, PAD]])).tolist() == [[BEGIN, 7, 8], [BEGIN, 9, END]]


@orders
@pytest.mark.parametrize("padded", [False, True])
def test_cached_decoding_gives_the_logits_of_uncached_decoding(norm_first, padded):
    """Beams change places, are doubled and lose one another, sentences leave; 40 steps make the caches grow."""
    model, generator = make(norm_first=norm_first), torch.Generator().manual_seed(0)
    beam, steps = 3, 40
    with torch.no_grad():
        memory = model.remember(sentences(0, [6, 2, 4] if padded else [5, 5, 5]))
        seen = Past(model.lay_out())
        past = torch.empty(3, beam, 0, dtype=torch.int64)
        for step in range(steps):
            newest = torch.randint(BEGIN, 11, (len(past), beam), generator=generator)
            past = torch.cat([past, newest[:, :, None]], dim=2)
            cached = model.step(newest, memory, seen)
            beams = torch.arange(len(past)).repeat_interleave(beam)
            states = model.decode(past.flatten(0, 1), memory.select(beams))
            uncached = logits_of(model, states[:, -1]).view(cached.shape)
            torch.testing.assert_close(cached, uncached, rtol=0, atol=1e-11)
            if step == 20:
                kept = torch.tensor([0, 2])
                memory, past = memory.select(kept), past[kept]
                rows = (kept[:, None] * beam + torch.arange(beam)).flatten()
            else:
                parents = torch.randint(beam, (len(past), beam), generator=generator)
                past = past.gather(1, parents[:, :, None].expand(-1, -1, past.shape[2]))
                rows = (torch.arange(len(past))[:, None] * beam + parents).flatten()
            seen.select(rows)


def test_a_decoder_is_laid_out_with_the_weights_of_its_time():
    """However they were changed: by an optimiser that counts no versions, or within inference mode."""
    model, source, newest = make().float(), sentences(0, [4, 4]), torch.full((2, 1), BEGIN)

    def assert_new():
        with torch.no_grad():
            memory = model.remember(source)
            found = model.step(newest, memory, Past(model.lay_out()))
            expected = logits_of(model, model.decode(newest, memory))
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
            found += 1  # an ordinary tensor

    optimizer = training_plan(model.config, max_epochs=1, max_steps=None).optimizer(model.parameters())
    optimizer.param_groups[0]["lr"] = 0.1
    assert_new()
    model(source, sentences(1, [3, 5])).backward()
    optimizer.step()
    assert_new()
    model.embedding.data *= 2
    assert_new()


def test_memory_of_some_sentences_is_as_if_they_were_alone():
    model, source = make(), sentences(0, [5, 2, 4])
    chosen = model.remember(source).select(torch.tensor([2, 0]))
    again = model.remember(source[[2, 0]])
    assert torch.equal(chosen.mask, again.mask)
    for ours, theirs in zip(chosen.layers, again.layers, strict=True):
        for each, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(each, other, rtol=0, atol=1e-12)
    assert Memory(chosen.layers, None).select(torch.tensor([0])).mask is None


@orders
def test_attention_maps_are_distributions_over_what_may_be_seen(norm_first):
    model = make(norm_first=norm_first)
    source, target = sentences(0, [5, 3]), sentences(1, [4, 2])
    own, past, cross = model.attention_maps(source, target)
    assert [len(maps) for maps in (own, past, cross)] == [2, 2, 2]
    for maps, shape in ((own, (5, 5)), (past, (4, 4)), (cross, (4, 5))):
        for weights in maps:
            assert weights.shape == (2, 2, *shape)
            np.testing.assert_allclose(weights.sum(-1).detach(), 1)
    assert all((weights[1, :, :, 3:] == 0).all() for weights in [*own, *cross])
    assert all((weights.triu(1) == 0).all() for weights in past)


@orders
def test_attention_maps_are_those_the_states_are_made_with(norm_first, monkeypatch):
    """Recorded where `attend` is called during an ordinary pass."""
    from latticework.nn import attention

    model = make(norm_first=norm_first)
    source, target = sentences(0, [5, 3]), sentences(1, [4, 2])
    seen, attend = [], attention.attend

    def recording(query, key, value, *, mask=None, causal=False):
        seen.append(attention.attention_weights(query, key, mask=mask, causal=causal))
        return attend(query, key, value, mask=mask, causal=causal)

    monkeypatch.setattr(attention, "attend", recording)
    model(source, target)
    monkeypatch.undo()
    own, past, cross = model.attention_maps(source, target)
    in_order = [*own, *(weights for pair in zip(past, cross, strict=True) for weights in pair)]
    assert len(seen) == len(in_order)
    for ours, theirs in zip(in_order, seen, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm_first", [False, True])
def test_bfloat16_loss_and_gradients_are_close_to_float32(norm_first):
    """Roundings of 2^-8 through two layers and back: 1 % for the loss, 10 % for the gradient (it measures 6 %)."""
    torch.manual_seed(0)
    config = TransformerConfig(layers=2, d_model=64, heads=4, feed_forward=128, dropout=0.0, norm_first=norm_first)
    model = EncoderDecoder(config, 100).train()
    source, target = sentences(0, [20, 11, 7], 100), sentences(1, [9, 17, 20], 100)
    figures = []
    for autocast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = model(source, target)
        model.zero_grad()
        loss.backward()
        figures.append((loss.item(), torch.cat([parameter.grad.flatten() for parameter in model.parameters()])))
    (exact, exact_gradient), (rounded, rounded_gradient) = figures
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.01)
    assert (rounded_gradient - exact_gradient).norm() < 0.1 * exact_gradient.norm()


def test_a_model_in_double_precision_keeps_it_under_autocast():
    model, read, written = make().eval(), sentences(0, [5, 3]), sentences(1, [4, 6])
    exact = model(read, written)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(read, written) == exact
        assert model.remember(read).layers[0][0].dtype == model.lay_out().logits.weight.dtype == torch.float64
        assert model.attention_maps(read, written)[0][0].dtype == torch.float64


def test_steps_are_kept_while_the_weights_are_the_same():
    model = make()
    assert model.kept_steps() is model.kept_steps()


def test_steps_follow_weights_that_change_in_place():
    model = make()
    before = model.kept_steps()
    with torch.no_grad():
        model.embedding.mul_(2)
    assert model.kept_steps() is not before


def test_steps_follow_weights_that_change_uncounted_once_the_mode_is_set():
    model = make().eval()
    before = model.kept_steps().logits(torch.ones(1, 8, dtype=torch.float64))
    model.embedding.data.mul_(2)
    after = model.eval().kept_steps().logits(torch.ones(1, 8, dtype=torch.float64))
    torch.testing.assert_close(after, 2 * before)


@pytest.mark.parametrize("fused", [True, False])
def test_steps_follow_an_optimiser(fused):
    model = make(dtype=torch.float32)
    before = model.kept_steps().logits(torch.ones(8, 8))
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), fused=fused)
    model(torch.tensor([[4, END]]), torch.tensor([[5, END]])).backward()
    optimiser.step()
    model.eval()
    after = model.kept_steps().logits(torch.ones(8, 8))
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, torch.ones(8, 8) @ model.embedding.detach().T)


def test_kept_steps_are_no_part_of_a_copy():
    model = make()
    model.kept_steps()
    copy = deepcopy(model)
    with torch.no_grad():
        copy.embedding.zero_()
    assert not copy.kept_steps().logits(torch.ones(1, 8, dtype=copy.embedding.dtype)).any()
