import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.drawing import draw
from reference import transformer as reference
from reference.derivatives import assert_gradients
from reference.torch_layers import gradients_of, torch_decoder_layer, torch_encoder_layer

from latticework.nn import DecoderLayer, EncoderLayer

PRECISIONS = [(torch.float32, 1e-5), (torch.float64, 1e-12)]

few = settings(max_examples=6)
orders = pytest.mark.parametrize("norm_first", [False, True])
layer_kinds = pytest.mark.parametrize("kind", [EncoderLayer, DecoderLayer])


def make(kind, d_model, heads, d_hidden, *, norm_first=False, dtype=torch.float64, seed=0):
    """A layer without dropout whose biases and norms are drawn too, so that none can be forgotten."""
    torch.manual_seed(seed)
    layer = kind(d_model, heads, d_hidden, dropout=0.0, norm_first=norm_first).to(dtype)
    for parameter in layer.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return layer


def padding(lengths, longest):
    return (torch.arange(longest) < torch.tensor(lengths)[:, None])[:, None, None, :]


def run(layer, states, memory=None, mask=None):
    if isinstance(layer, EncoderLayer):
        return layer(states, mask=mask)
    return layer(states, layer.cross_attention.project_memory(memory), memory_mask=mask)


@few
@given(
    heads=st.integers(1, 3),
    d_k=st.integers(1, 3),
    hidden=st.integers(1, 6),
    time=st.integers(1, 4),
    source=st.integers(1, 4),
    norm_first=st.booleans(),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("kind", [EncoderLayer, DecoderLayer])
def test_layer_and_gradients_are_the_papers(kind, heads, d_k, hidden, time, source, norm_first, seed):
    d_model = heads * d_k
    layer = make(kind, d_model, heads, hidden, norm_first=norm_first, seed=seed)
    states, memory = draw(seed, 1, time, d_model), draw(seed + 1, 1, source, d_model)
    direction = draw(seed + 2, 1, time, d_model)
    inputs = {"states": states} if kind is EncoderLayer else {"states": states, "memory": memory}
    for tensor in inputs.values():
        tensor.requires_grad_()
    output = run(layer, **inputs)

    def slow(values):
        vectors = [list(values[name][0]) for name in inputs]
        slow_layer = reference.encoder_layer if kind is EncoderLayer else reference.decoder_layer
        return np.array(slow_layer(*vectors, values, heads, norm_first=norm_first))

    values = reference.weights_of(layer) | {name: tensor.detach().numpy() for name, tensor in inputs.items()}
    np.testing.assert_allclose(output[0].detach(), slow(values), rtol=0, atol=1e-10)
    (output * direction).sum().backward()
    gradients = {name: tensor.grad.numpy() for name, tensor in [*layer.named_parameters(), *inputs.items()]}
    assert gradients.keys() == values.keys()
    assert_gradients(lambda values: (slow(values) * direction[0].numpy()).sum(), values, gradients)


@orders
@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("lengths", [[7, 7, 7], [7, 3, 1]])
@layer_kinds
def test_layer_and_gradients_equal_torch(kind, norm_first, dtype, tolerance, lengths):
    layer = make(kind, 32, 4, 64, norm_first=norm_first, dtype=dtype)
    states, memory = (draw(seed, 3, 7, 32, dtype=dtype) for seed in (1, 2))
    direction = draw(3, 3, 7, 32, dtype=dtype)
    mask = None if min(lengths) == 7 else padding(lengths, 7)
    hidden = None if mask is None else ~mask[:, 0, 0]
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in (states, memory)] for _ in range(2))
    if kind is EncoderLayer:
        copy = torch_encoder_layer(layer, 4)
        peer = copy(theirs[0], src_key_padding_mask=hidden)
    else:
        copy = torch_decoder_layer(layer, 4)
        future = torch.ones(7, 7, dtype=torch.bool).triu(1)
        peer = copy(*theirs, tgt_mask=future, memory_key_padding_mask=hidden)
    output = run(layer, *ours, mask=mask)
    torch.testing.assert_close(output, peer, rtol=0, atol=tolerance)
    (output * direction).sum().backward()
    (peer * direction).sum().backward()
    torch.testing.assert_close(ours[0].grad, theirs[0].grad, rtol=tolerance, atol=tolerance)
    if kind is DecoderLayer:
        torch.testing.assert_close(ours[1].grad, theirs[1].grad, rtol=tolerance, atol=tolerance)
    gradients = gradients_of(layer, copy)
    assert gradients.keys() == dict(layer.named_parameters()).keys()
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "kind, shape, count",
    [
        (EncoderLayer, (512, 8, 2048), 3_152_384),
        (DecoderLayer, (512, 8, 2048), 4_204_032),
        (EncoderLayer, (1024, 16, 4096), 12_596_224),
        (DecoderLayer, (1024, 16, 4096), 16_796_672),
    ],
)
def test_layers_have_the_papers_number_of_parameters(kind, shape, count):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in kind(*shape).parameters()) == count


@orders
def test_encoder_layer_without_positions_is_permutation_equivariant(norm_first):
    layer = make(EncoderLayer, 12, 3, 20, norm_first=norm_first)
    states, order = draw(0, 2, 9, 12), torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(states[:, order]), layer(states)[:, order], rtol=0, atol=1e-12)
    assert not torch.allclose(layer(states[:, order]), layer(states))


@orders
@pytest.mark.parametrize("time", [3, 150])  # several blocks of the kernel
@pytest.mark.parametrize("autocast", [False, True])
def test_decoder_layer_gives_earlier_positions_bit_equal_states_whatever_follows(norm_first, time, autocast):
    layer = make(DecoderLayer, 16, 2, 32, norm_first=norm_first, dtype=torch.float32)
    states, memory = draw(0, 2, time, 16, dtype=torch.float32), draw(1, 2, 5, 16, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast), torch.no_grad():
        before = run(layer, states, memory)
        for t in {1, time // 2, time - 1}:
            changed = states.clone()
            changed[:, t:] = 100 * draw(2, 2, time - t, 16, dtype=torch.float32)
            after = run(layer, changed, memory)
            assert torch.equal(after[:, :t], before[:, :t])
            assert (after[:, t:] != before[:, t:]).any(-1).all()


@orders
@layer_kinds
def test_padding_has_no_influence(kind, norm_first):
    layer = make(kind, 16, 4, 24, norm_first=norm_first, dtype=torch.float32)
    states, memory = draw(0, 3, 6, 16, dtype=torch.float32), draw(1, 3, 6, 16, dtype=torch.float32)
    mask = padding([6, 4, 1], 6)
    batch = run(layer, states, memory, mask)
    for row, length in enumerate([6, 4, 1]):
        if kind is EncoderLayer:
            single = run(layer, states[row : row + 1, :length])
        else:
            single = run(layer, states[row : row + 1], memory[row : row + 1, :length])
        torch.testing.assert_close(batch[row, : single.shape[1]], single[0], rtol=0, atol=1e-5)


@orders
@layer_kinds
@pytest.mark.parametrize("autocast", [False, True])
def test_fully_padded_row_gives_no_nan_forward_or_backward(kind, norm_first, autocast):
    layer = make(kind, 16, 4, 24, norm_first=norm_first, dtype=torch.float32)
    states, memory = (draw(seed, 2, 5, 16, dtype=torch.float32).requires_grad_() for seed in (0, 1))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = run(layer, states, memory, padding([3, 0], 5))
    assert output.isfinite().all()
    output.square().sum().backward()
    assert states.grad.isfinite().all()
    for parameter in layer.parameters():
        assert parameter.grad.isfinite().all()
    if kind is DecoderLayer:
        assert memory.grad.isfinite().all()
        assert (memory.grad[1] == 0).all()
        assert (memory.grad[0, :3] != 0).any()


@orders
def test_weights_are_where_the_layer_looks(norm_first):
    """Seen from outside: a value that no head weighs changes nothing, and every weighed one does."""
    layer = make(DecoderLayer, 8, 2, 8, norm_first=norm_first)
    states, memory = draw(0, 1, 4, 8), draw(1, 1, 5, 8)
    keys_values = layer.cross_attention.project_memory(memory)
    own, cross = layer.weights(states, keys_values, memory_mask=padding([4], 5))
    np.testing.assert_allclose(own.sum(-1).detach(), 1)
    np.testing.assert_allclose(cross.sum(-1).detach(), 1)
    assert (own.triu(1) == 0).all()
    assert (cross[..., 4] == 0).all()
    values = reference.weights_of(layer)
    x = list(states[0].numpy())
    attend = reference.under(values, "attention")

    def given(x, name):
        return [reference.layer_norm(each, values, f"{name}.norm") for each in x] if norm_first else x

    queries = [
        reference.linear(each, attend, "query_key_value", slice(4, 8)) for each in given(x, "attention_residual")
    ]
    keys = [reference.linear(each, attend, "query_key_value", slice(12, 16)) for each in given(x, "attention_residual")]
    expected = reference.attention_weights(queries, keys, reference.no_later_one(queries, keys))
    np.testing.assert_allclose(own[0, 1].detach(), expected, atol=1e-12)
    after = reference.residual(
        x,
        lambda x: reference.self_attention(x, attend, 2, reference.no_later_one(x, x)),
        values,
        "attention_residual",
        norm_first,
    )
    look = reference.under(values, "cross_attention")
    queries = [reference.linear(each, look, "query", slice(4, 8)) for each in given(after, "cross_attention_residual")]
    keys = [reference.linear(each, look, "key_value", slice(4, 8)) for each in memory[0, :4].numpy()]
    expected = reference.attention_weights(queries, keys, reference.everything(queries, keys))
    np.testing.assert_allclose(cross[0, 1, :, :4].detach(), expected, atol=1e-12)
    encoder = make(EncoderLayer, 8, 2, 8, norm_first=norm_first)
    given_states = encoder.attention_residual.input_of_sublayer(states)
    assert torch.equal(encoder.weights(states), encoder.attention.weights(given_states))
    assert (encoder.weights(states, mask=padding([3], 4))[..., 3] == 0).all()


@pytest.mark.parametrize("kind", [EncoderLayer, DecoderLayer])
def test_layers_are_the_papers_unless_told_otherwise(kind):
    residual = kind(8, 2, 8).attention_residual
    assert residual.dropout.p == 0.1
    assert not residual.norm_first


def test_dropout_falls_on_the_output_of_every_sublayer():
    layer = EncoderLayer(8, 2, 8, dropout=0.5, norm_first=True)
    states = draw(0, 1, 500, 8, dtype=torch.float32)
    torch.manual_seed(0)
    first = layer.attention_residual(states, torch.ones_like)
    assert 0.4 < (first == states).float().mean() < 0.6
    assert torch.equal((first - states).round().unique(), torch.tensor([0.0, 2.0]))
    layer.eval()
    assert torch.equal(layer.attention_residual(states, torch.ones_like), states + 1)
