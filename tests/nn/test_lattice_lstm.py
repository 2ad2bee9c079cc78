import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lattices import draw_arcs, lattice_of
from nn.watching import WAITS, Watching
from reference.lattice_lstm import lattice_lstm
from torch import nn

from latticework.core.errors import InputError
from latticework.nn import LatticeLSTM

forgets = pytest.mark.parametrize("forget", ["coupled", "independent"])


def draw(seed, lengths, *, share=0.3, sizes=(3, 4, 5), forget="coupled", dtype=torch.float64, padding=0):
    """A layer with random weights, a batch and its lattice."""
    generator = np.random.default_rng(seed)
    arcs = draw_arcs(generator, lengths, share)
    generator.shuffle(arcs)
    char, word, hidden = sizes
    layer = LatticeLSTM(char, word, hidden, forget=forget).to(dtype)
    for parameter in layer.parameters():
        parameter.data = torch.from_numpy(generator.standard_normal(parameter.shape)).to(dtype)
    time = max(lengths, default=0) + padding
    characters = torch.from_numpy(generator.standard_normal((len(lengths), time, char))).to(dtype)
    words = torch.from_numpy(generator.standard_normal((len(arcs), word))).to(dtype)
    return layer, characters.requires_grad_(), words.requires_grad_(), arcs


def literal(layer, characters, words, lengths, arcs):
    """What the transcription gives for each sentence, padded."""
    parameters = dict(layer.named_parameters())
    output = characters.new_zeros(*characters.shape[:2], 2 * layer.hidden_size)
    for sentence, length in enumerate(lengths):
        if length:
            mine = [k for k, arc in enumerate(arcs) if arc[0] == sentence]
            spans = [arcs[k][1:] for k in mine]
            states, _ = lattice_lstm(parameters, characters[sentence, :length], words[mine], spans, forget=layer.forget)
            output[sentence, :length] = states
    return output


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5),
    share=st.sampled_from([0.0, 0.1, 0.4, 1.0]),
    forget=st.sampled_from(["coupled", "independent"]),
    padding=st.integers(0, 2),
    seed=st.integers(0, 999),
)
def test_states_and_gradients_are_those_of_the_equations(lengths, share, forget, padding, seed):
    layer, characters, words, arcs = draw(seed, lengths, share=share, forget=forget, padding=padding)
    expected = literal(layer, characters, words, lengths, arcs)
    output = layer(characters, words, lattice_of(lengths, arcs))
    torch.testing.assert_close(output, expected, rtol=1e-11, atol=1e-11)
    weights = torch.randn(output.shape, dtype=output.dtype, generator=torch.Generator().manual_seed(seed))
    names = [name for name, _ in layer.named_parameters()] + ["characters", "words"]
    leaves = [*layer.parameters(), characters, words]
    if not expected.requires_grad:
        return
    ours, theirs = (
        torch.autograd.grad((each * weights).sum(), leaves, allow_unused=True) for each in (output, expected)
    )
    for name, one, other in zip(names, ours, theirs, strict=True):
        zeros = torch.zeros_like(leaves[names.index(name)])
        torch.testing.assert_close(
            zeros if one is None else one,
            zeros if other is None else other,
            rtol=1e-9,
            atol=1e-9,
            msg=lambda message, name=name: f"{name}: {message}",
        )


@forgets
def test_gradients_are_slopes(forget):
    lengths = [4, 0, 3]
    layer, characters, words, arcs = draw(1, lengths, share=0.5, sizes=(2, 2, 2), forget=forget)
    lattice = lattice_of(lengths, arcs)
    names = [name for name, _ in layer.named_parameters()]

    def function(characters, words, *parameters):
        return torch.func.functional_call(
            layer, dict(zip(names, parameters, strict=True)), (characters, words, lattice)
        )

    assert torch.autograd.gradcheck(function, (characters, words, *layer.parameters()))


@forgets
def test_without_words_it_is_the_lstm_of_torch(forget):
    """1 - σ(z) = σ(-z): coupled gates are those of an LSTM whose forget gate has the input gate's weights, negated."""
    lengths = [6, 2, 4]
    layer, characters, words, _ = draw(2, lengths, share=0.0, forget=forget)
    peer = nn.LSTM(3, 5, bidirectional=True, batch_first=True).double()
    for direction, suffix in enumerate(("", "_reverse")):
        for ours, theirs in (("input", "weight_ih_l0"), ("hidden", "weight_hh_l0"), ("bias", "bias_ih_l0")):
            *f, o, i, candidate = layer.get_parameter(f"char_{ours}")[direction].detach().split(5)
            value = torch.cat([i, f[0] if f else -i, candidate, o])
            peer.get_parameter(theirs + suffix).data = value
        peer.get_parameter("bias_hh_l0" + suffix).data.zero_()
    packed = nn.utils.rnn.pack_padded_sequence(characters, torch.tensor(lengths), True, enforce_sorted=False)
    expected = nn.utils.rnn.pad_packed_sequence(peer(packed)[0], batch_first=True)[0]
    output = layer(characters, words, lattice_of(lengths, []))
    torch.testing.assert_close(output, expected)
    ours, theirs = (torch.autograd.grad(each.square().sum(), characters)[0] for each in (output, expected))
    torch.testing.assert_close(ours, theirs)


def test_one_word_gives_the_numbers_worked_out_by_hand():
    layer = LatticeLSTM(1, 1, 1).double()
    values = {
        "char_input": [0.5, -1.0, 2.0], "char_hidden": [1.0, 0.5, -0.5], "char_bias": [0.1, 0.2, 0.3],
        "word_input": [1.0, -1.0, 0.5], "word_hidden": [0.3, 0.6, -0.9], "word_bias": [0.0, 0.1, -0.1],
        "extra_input": [0.7], "extra_cell": [-1.2], "extra_bias": [0.05],
    }  # fmt: skip
    for name, value in values.items():
        layer.get_parameter(name).data[:] = torch.tensor(value, dtype=torch.float64).view(
            layer.get_parameter(name)[0].shape
        )
    x, y, w = 0.8, -0.4, 1.5

    def sigma(z):
        return 1 / (1 + math.exp(-z))

    o_1, i_1, new_1 = sigma(0.5 * x + 0.1), sigma(-1.0 * x + 0.2), math.tanh(2.0 * x + 0.3)
    c_1 = i_1 * new_1
    h_1 = o_1 * math.tanh(c_1)
    f_w, i_w, new_w = sigma(w + 0.3 * h_1), sigma(-w + 0.6 * h_1 + 0.1), math.tanh(0.5 * w - 0.9 * h_1 - 0.1)
    c_w = f_w * c_1 + i_w * new_w
    gate = sigma(0.7 * y - 1.2 * c_w + 0.05)
    o_2, i_2, new_2 = sigma(0.5 * y + h_1 + 0.1), sigma(-y + 0.5 * h_1 + 0.2), math.tanh(2.0 * y - 0.5 * h_1 + 0.3)
    alpha = math.exp(gate) / (math.exp(gate) + math.exp(i_2))
    c_2 = alpha * c_w + (1 - alpha) * new_2
    characters, words = torch.tensor([[[x], [y]]], dtype=torch.float64), torch.tensor([[w]], dtype=torch.float64)
    lattice = lattice_of([2], [(0, 0, 2)])
    forward = layer(characters, words, lattice)[0, :, 0]
    torch.testing.assert_close(forward.tolist(), [h_1, o_2 * math.tanh(c_2)], rtol=1e-14, atol=0)
    of_chars, of_words = layer.fusion_weights(characters, words, lattice)
    torch.testing.assert_close(of_chars[0, 0].tolist(), [1.0, 1 - alpha])
    torch.testing.assert_close(of_words[0].tolist(), [alpha])


@forgets
def test_fusion_weights_are_those_of_the_equations_and_add_up_to_one(forget):
    lengths = [5, 0, 7, 2]
    layer, characters, words, arcs = draw(3, lengths, share=0.4, forget=forget, padding=1)
    of_chars, of_words = layer.fusion_weights(characters, words, lattice_of(lengths, arcs))
    assert not of_chars.requires_grad
    assert of_chars.shape == (2, 4, 8)
    assert of_words.shape == (2, len(arcs))
    totals = of_chars.clone()
    for k, (sentence, begin, end) in enumerate(arcs):
        totals[0, sentence, end - 1] += of_words[0, k]
        totals[1, sentence, begin] += of_words[1, k]
    inside = torch.arange(8) < torch.tensor(lengths)[:, None]
    torch.testing.assert_close(totals, inside.double().expand(2, 4, 8))
    for sentence, length in enumerate(lengths):
        mine = [k for k, arc in enumerate(arcs) if arc[0] == sentence]
        parameters = dict(layer.named_parameters())
        spans = [arcs[k][1:] for k in mine]
        _, weights = lattice_lstm(parameters, characters[sentence, :length], words[mine], spans, forget=forget)
        for direction, (own, of_arcs) in enumerate(weights):
            for time, alpha in own.items():
                torch.testing.assert_close(of_chars[direction, sentence, time], alpha.mean().detach())
            for k, alpha in zip(mine, of_arcs, strict=True):
                torch.testing.assert_close(of_words[direction, k], alpha.mean().detach())


def test_the_order_of_words_does_not_matter():
    lengths = [6, 4]
    layer, characters, words, arcs = draw(4, lengths, share=0.6)
    order = np.random.default_rng(0).permutation(len(arcs))
    expected = layer(characters, words, lattice_of(lengths, arcs))
    shuffled = layer(characters, words[order], lattice_of(lengths, [arcs[k] for k in order]))
    torch.testing.assert_close(shuffled, expected, rtol=1e-13, atol=1e-13)


def test_neither_the_batch_nor_the_padding_matters_to_a_sentence():
    lengths = [6, 3, 0, 5]
    layer, characters, words, arcs = draw(5, lengths, share=0.4, padding=3)
    together = layer(characters, words, lattice_of(lengths, arcs))
    for sentence, length in enumerate(lengths):
        mine = [k for k, arc in enumerate(arcs) if arc[0] == sentence]
        alone = layer(
            characters[sentence : sentence + 1, :length],
            words[mine],
            lattice_of([length], [(0, *arcs[k][1:]) for k in mine]),
        )
        torch.testing.assert_close(together[sentence, :length], alone[0], rtol=1e-13, atol=1e-13)
        assert (together[sentence, length:] == 0).all()


@forgets
def test_backward_is_forward_on_the_reversed_sentence(forget):
    layer, characters, words, arcs = draw(6, [7], share=0.4, forget=forget)
    for parameter in layer.parameters():
        parameter.data[1] = parameter.data[0]
    mirrored = [(0, 7 - end, 7 - begin) for _, begin, end in arcs]
    _, backward = layer(characters, words, lattice_of([7], arcs)).chunk(2, -1)
    forward, _ = layer(characters.flip(1), words, lattice_of([7], mirrored)).chunk(2, -1)
    torch.testing.assert_close(backward, forward.flip(1))


@pytest.mark.parametrize("begin, end", [(0, 2), (2, 5), (4, 7), (0, 7)])
def test_a_word_speaks_where_it_ends_and_not_before(begin, end):
    layer, characters, words, arcs = draw(7, [7], share=0.2)
    arcs = [arc for arc in arcs if arc[1:] != (begin, end)]
    words = words[: len(arcs)]
    more = torch.cat([words, torch.ones(1, 4, dtype=words.dtype)])
    without = layer(characters, words, lattice_of([7], arcs))[0]
    with_it = layer(characters, more, lattice_of([7], [*arcs, (0, begin, end)]))[0]
    forward, backward = ((with_it - without).abs().amax(-1) > 0 for with_it, without in
                         zip(with_it.chunk(2, -1), without.chunk(2, -1), strict=True))  # fmt: skip
    assert not forward[: end - 1].any()
    assert forward[end - 1 :].all()
    assert not backward[begin + 1 :].any()
    assert backward[: begin + 1].all()


@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [3], [3, 0, 1]])
@forgets
def test_batches_without_words_or_characters_have_states_and_gradients(lengths, forget):
    layer, characters, words, _ = draw(8, lengths, share=0.0, forget=forget)
    lattice = lattice_of(lengths, [])
    output = layer(characters, words, lattice)
    assert output.shape == (len(lengths), max(lengths, default=0), 10)
    output.sum().backward()
    assert words.grad.shape == (0, 4)
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())
    of_chars, of_words = layer.fusion_weights(characters, words, lattice)
    assert of_words.shape == (2, 0)
    assert of_chars.sum() == 2 * sum(lengths)


def test_without_gradients_the_states_are_the_same_and_nothing_is_kept():
    lengths = [6, 3]
    layer, characters, words, arcs = draw(9, lengths)
    lattice = lattice_of(lengths, arcs)
    expected = layer(characters, words, lattice)
    with torch.inference_mode():
        assert torch.equal(layer(characters, words, lattice), expected)
    layer.requires_grad_(False)
    fixed = layer(characters.detach(), words.detach(), lattice)
    assert fixed.grad_fn is None
    assert torch.equal(fixed, expected)


def test_frozen_weights_still_let_gradients_through():
    lengths = [6, 3]
    layer, characters, words, arcs = draw(10, lengths)
    lattice = lattice_of(lengths, arcs)
    expected = torch.autograd.grad(layer(characters, words, lattice).sum(), [characters, words])
    layer.requires_grad_(False)
    torch.testing.assert_close(
        torch.autograd.grad(layer(characters, words, lattice).sum(), [characters, words]), expected
    )


def test_a_second_backward_gives_the_same_gradients_and_one_of_a_gradient_is_refused():
    lengths = [5, 2]
    layer, characters, words, arcs = draw(11, lengths)
    loss = layer(characters, words, lattice_of(lengths, arcs)).square().sum()
    first = torch.autograd.grad(loss, [characters, words], retain_graph=True)
    again = torch.autograd.grad(loss, [characters, words], create_graph=True)
    assert all(map(torch.equal, first, again))
    with pytest.raises(RuntimeError, match="once_differentiable"):
        again[0].sum().backward()


@forgets
def test_float32_is_close_to_float64(forget):
    lengths = [40, 25, 3]
    layer, characters, words, arcs = draw(12, lengths, sizes=(10, 10, 20), forget=forget)
    layer.reset_parameters()  # weights of the size they start with
    lattice = lattice_of(lengths, arcs)
    exact = layer(characters, words, lattice)
    exact_gradients = torch.autograd.grad(exact.square().sum(), [characters, words, *layer.parameters()])
    layer = layer.float()
    inputs = [each.detach().float().requires_grad_() for each in (characters, words)]
    output = layer(*inputs, lattice)
    gradients = torch.autograd.grad(output.square().sum(), [*inputs, *layer.parameters()])
    assert output.dtype == torch.float32
    torch.testing.assert_close(output.double(), exact, rtol=0, atol=5e-6)
    for ours, theirs in zip(gradients, exact_gradients, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm()


def test_a_sentence_of_600_characters_is_read_to_its_end():
    layer, characters, words, arcs = draw(13, [600], share=0.1)
    layer.reset_parameters()
    lattice = lattice_of([600], arcs)
    with torch.no_grad():
        expected = literal(layer, characters, words, [600], arcs)
    output = layer(characters, words, lattice)
    torch.testing.assert_close(output, expected)
    (gradient,) = torch.autograd.grad(output[0, -1, :5].sum(), words)
    assert gradient.isfinite().all()
    assert (gradient[max(range(len(arcs)), key=lambda k: arcs[k][2])] != 0).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@forgets
def test_saturated_gates_neither_overflow_nor_spoil_gradients(dtype, forget):
    lengths = [5, 3]
    layer, characters, words, arcs = draw(14, lengths, share=0.6, forget=forget, dtype=dtype)
    for parameter in layer.parameters():
        parameter.data *= 1e3
    output = layer(characters, words, lattice_of(lengths, arcs))
    output.sum().backward()
    assert output.isfinite().all()
    assert all(each.grad.isfinite().all() for each in (characters, words, *layer.parameters()))


def test_under_autocast_it_computes_in_the_type_of_its_weights():
    lengths = [5, 3]
    layer, characters, words, arcs = draw(15, lengths, dtype=torch.float32)
    lattice = lattice_of(lengths, arcs)
    expected = layer(characters, words, lattice)
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(characters, words, lattice)
        rounded = layer(characters.bfloat16(), words.bfloat16(), lattice)
    assert torch.equal(output, expected)
    assert torch.equal(*(torch.autograd.grad(each.sum(), characters)[0] for each in (output, expected)))
    assert rounded.dtype == torch.float32


def test_no_step_asks_a_device_for_a_number():
    lengths, names = [5, 3], set()
    layer, characters, words, arcs = draw(16, lengths)
    lattice = lattice_of(lengths, arcs)
    with Watching(lambda name, _: names.add(name)):
        layer(characters, words, lattice).sum().backward()
    assert names
    assert not names & WAITS


def test_it_starts_as_the_published_code_does():
    layer = LatticeLSTM(4, 6, 8)
    for inputs in (layer.char_input, layer.word_input, layer.extra_input):
        for weight in inputs:
            torch.testing.assert_close(weight.T @ weight, torch.eye(weight.shape[1]))
    assert torch.equal(layer.char_hidden[1], torch.eye(8).repeat(3, 1))
    assert torch.equal(layer.extra_cell[0], torch.eye(8))
    assert not any(bias.any() for bias in (layer.char_bias, layer.word_bias, layer.extra_bias))


def test_an_unknown_forget_gate_is_refused():
    with pytest.raises(InputError, match="forget='none': expected one of coupled, independent"):
        LatticeLSTM(2, 2, 2, forget="none")


def test_a_lattice_of_other_sentences_or_words_is_refused():
    layer, characters, words, arcs = draw(17, [5, 3])
    lattice = lattice_of([5, 3], arcs)
    with pytest.raises(InputError, match=f"each of the {len(arcs)} words of the lattice, got {len(arcs) - 1}"):
        layer(characters, words[1:], lattice)
    for other in (characters[:1], characters[:, :4]):
        with pytest.raises(InputError, match="the lattice is of 2 sentences, the longest of 5 characters, got"):
            layer.fusion_weights(other, words, lattice)
