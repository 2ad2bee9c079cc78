import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.drawing import draw
from reference import transformer as reference
from reference.derivatives import assert_gradients

from latticework.nn import CrossAttention, KeyValueCache, SelfAttention, attend, attention_weights

few = settings(max_examples=25)
sizes = st.integers(1, 5)


def draw_mask(seed, *shape):
    """Half of the keys hidden; some queries may see nothing at all."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5


def visibility(mask, causal, batch, queries, keys):
    seen = np.ones((queries, keys), dtype=bool) if mask is None else np.broadcast_to(mask[batch, 0], (queries, keys))
    return np.tril(seen) if causal else seen


@few
@given(batch=sizes, heads=sizes, queries=sizes, keys=sizes, head=sizes, masked=st.booleans(), seed=st.integers(0, 99))
def test_attend_is_equation_1(batch, heads, queries, keys, head, masked, seed):
    query, key, value = draw(seed, batch, heads, queries, head), *draw(seed + 1, 2, batch, heads, keys, head)
    mask = draw_mask(seed, batch, 1, queries, keys) if masked else None
    attended = attend(query, key, value, mask=mask)
    weights = attention_weights(query, key, mask=mask)
    for b in range(batch):
        seen = visibility(mask, False, b, queries, keys)
        for h in range(heads):
            parts = [tensor[b, h].numpy() for tensor in (query, key, value)]
            np.testing.assert_allclose(attended[b, h], reference.attention(*parts, seen), atol=1e-12)
            np.testing.assert_allclose(weights[b, h], reference.attention_weights(*parts[:2], seen), atol=1e-12)


@few
@given(time=sizes, head=sizes, seed=st.integers(0, 99))
def test_causal_attend_hides_later_keys(time, head, seed):
    query, key, value = draw(seed, 3, 1, 1, time, head)
    attended = attend(query, key, value, causal=True)[0, 0]
    weights = attention_weights(query, key, causal=True)[0, 0]
    parts = [tensor[0, 0].numpy() for tensor in (query, key, value)]
    seen = reference.no_later_one(parts[0], parts[1])
    np.testing.assert_allclose(attended, reference.attention(*parts, seen), atol=1e-12)
    np.testing.assert_allclose(weights, reference.attention_weights(*parts[:2], seen), atol=1e-12)


def test_causal_weights_also_respect_a_mask():
    query, key = draw(0, 2, 2, 3, 4, 5)
    mask = draw_mask(0, 2, 1, 4, 4)
    weights = attention_weights(query, key, mask=mask, causal=True)
    expected = attention_weights(query, key, mask=mask & torch.ones(4, 4, dtype=torch.bool).tril())
    assert torch.equal(weights, expected)
    assert (weights.triu(1) == 0).all()


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_attend_are_those_of_equation_1(masked):
    tensors = {name: draw(seed, 1, 1, 4, 3).requires_grad_() for seed, name in enumerate(["query", "key", "value"])}
    mask = draw_mask(5, 1, 1, 4, 4) if masked else None
    if masked:
        mask[:, :, 1] = False  # one query sees nothing
    direction = draw(9, 1, 1, 4, 3)
    (attend(*tensors.values(), mask=mask) * direction).sum().backward()
    seen = visibility(mask, False, 0, 4, 4)

    def total(values):
        attended = reference.attention(*(values[name][0, 0] for name in tensors), seen)
        return (np.array(attended) * direction[0, 0].numpy()).sum()

    assert_gradients(
        total,
        {name: tensor.detach().numpy() for name, tensor in tensors.items()},
        {name: tensor.grad.numpy() for name, tensor in tensors.items()},
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("learning", [False, True])
def test_query_that_sees_nothing_gets_zeros_and_no_nan(dtype, learning):
    query, key, value = (tensor.to(dtype).requires_grad_(learning) for tensor in draw(0, 3, 2, 2, 5, 8))
    mask = torch.ones(2, 1, 1, 5, dtype=torch.bool)
    mask[1] = False
    attended = attend(query, key, value, mask=mask)
    assert (attended[1] == 0).all()
    assert (attended[0] != 0).any()
    assert attended.isfinite().all()
    assert (attention_weights(query, key, mask=mask)[1] == 0).all()
    if learning:
        attended.float().sum().backward()
        for tensor in (query, key, value):
            assert tensor.grad.isfinite().all()
            assert (tensor.grad[1] == 0).all()


def test_attention_in_bfloat16_is_as_close_as_its_roundings():
    """Unit roundoff is 2^-8; the kernel rounds the weights and the sums."""
    query, key, value = (tensor.bfloat16() for tensor in draw(0, 3, 2, 2, 40, 16))
    exact = attend(query.float(), key.float(), value.float(), causal=True)
    attended = attend(query, key, value, causal=True)
    assert attended.dtype == torch.bfloat16
    assert 0 < (attended.float() - exact).abs().max() <= 2 * 2**-8 * value.abs().max()


@pytest.mark.parametrize("kind", [SelfAttention, CrossAttention])
def test_layer_under_autocast_is_as_close_as_bfloat16_and_so_are_its_gradients(kind):
    """Two products before and one after: some 2^-8 of the whole each way; twice that is allowed."""
    torch.manual_seed(0)
    layer = kind(32, 4)
    states, memory, direction = draw(0, 3, 2, 30, 32).float()

    def run():
        layer.zero_grad()
        inputs = [tensor.clone().requires_grad_() for tensor in (states, memory)]
        if kind is SelfAttention:
            output = layer(inputs[0], causal=True)
        else:
            output = layer(inputs[0], layer.project_memory(inputs[1]))
        output.backward(direction.to(output.dtype))
        gradients = [tensor.grad for tensor in [*inputs, *layer.parameters()] if tensor.grad is not None]
        return [output.detach().float(), torch.cat([gradient.flatten() for gradient in gradients])]

    exact = run()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = run()
        with torch.no_grad():
            heads = layer.project(states) if kind is SelfAttention else layer.project_memory(memory)
    assert {head.dtype for head in heads} == {torch.bfloat16}  # nothing to learn: half of the memory
    for ours, theirs in zip(rounded, exact, strict=True):
        assert 0 < (ours - theirs).norm() <= 0.015 * theirs.norm()


@few
@given(heads=st.integers(1, 3), d_k=sizes, time=sizes, source=sizes, seed=st.integers(0, 99))
def test_multi_head_attention_is_section_3_2_2(heads, d_k, time, source, seed):
    torch.manual_seed(seed)
    d_model = heads * d_k
    own, cross = SelfAttention(d_model, heads).double(), CrossAttention(d_model, heads).double()
    for parameter in [*own.parameters(), *cross.parameters()]:
        torch.nn.init.normal_(parameter)  # biases too
    states, memory = draw(seed, 1, time, d_model), draw(seed + 1, 1, source, d_model)
    for causal in (False, True):
        seen = visibility(None, causal, 0, time, time)
        expected = reference.self_attention(list(states[0].numpy()), reference.weights_of(own), heads, seen)
        np.testing.assert_allclose(own(states, causal=causal)[0].detach(), expected, atol=1e-10)
    expected = reference.cross_attention(
        list(states[0].numpy()),
        list(memory[0].numpy()),
        reference.weights_of(cross),
        heads,
        visibility(None, False, 0, time, source),
    )
    np.testing.assert_allclose(cross(states, cross.project_memory(memory))[0].detach(), expected, atol=1e-10)


def test_weights_of_a_layer_are_those_its_output_is_made_with():
    layer = SelfAttention(6, 2).double()
    states, mask = draw(0, 2, 5, 6), draw_mask(1, 2, 1, 1, 5)
    for options in ({"mask": mask}, {"causal": True}):
        value = layer.project(states)[2]
        mixed = (layer.weights(states, **options) @ value).transpose(1, 2).flatten(2)
        torch.testing.assert_close(layer.output(mixed), layer(states, **options))


def test_cache_returns_everything_appended_whatever_the_step_sizes():
    whole_key, whole_value = draw(0, 2, 3, 2, 90, 4)
    cache, length = KeyValueCache(), 0
    for steps in [1, 1, 30, 1, 7, 50]:  # 32 fit at first: grows within a step and between steps
        key, value = (whole[:, :, length : length + steps] for whole in (whole_key, whole_value))
        length += steps
        keys, values = cache.append(key, value)
        assert cache.length == length
        assert torch.equal(keys, whole_key[:, :, :length])
        assert torch.equal(values, whole_value[:, :, :length])


def test_rows_of_a_cache_take_the_place_of_others_from_a_position_on():
    key, value = draw(0, 2, 4, 2, 20, 4)
    cache = KeyValueCache()
    cache.copy(torch.tensor([0]), torch.tensor([1]))  # nothing to copy yet
    before = cache.append(key, value)[0].data_ptr()
    cache.copy(torch.tensor([3, 0]), torch.tensor([0, 2]), start=7)  # row 0 goes to row 2 and is itself replaced
    keys, values = cache.append(key[:, :, :0], value[:, :, :0])
    assert keys.data_ptr() == before
    for ours, whole in ((keys, key), (values, value)):
        assert torch.equal(ours[:, :, :7], whole[:, :, :7])
        assert torch.equal(ours[:, :, 7:], whole[[3, 1, 0, 3], :, 7:])


def test_rows_of_a_cache_take_the_whole_place_of_others_unless_told_from_where():
    key, value = draw(0, 2, 4, 2, 20, 4)
    cache = KeyValueCache()
    cache.append(key, value)
    cache.copy(torch.tensor([3]), torch.tensor([0]))
    keys, _ = cache.append(key[:, :, :0], value[:, :, :0])
    assert torch.equal(keys, key[[3, 1, 2, 3]])


def test_fused_products_begin_as_each_would_alone():
    """Xavier's uniform bound is √(6 / (inputs + outputs)) of each matrix; of the fused one it would be less."""
    torch.manual_seed(0)
    bound = math.sqrt(6 / (32 + 32))
    for part in (
        *SelfAttention(32, 2).query_key_value.weight.chunk(3),
        *CrossAttention(32, 2).key_value.weight.chunk(2),
    ):
        assert 0.98 * bound < part.abs().max() <= bound


def test_selected_rows_of_a_cache_go_on_with_their_own_past():
    key, value = draw(0, 2, 4, 2, 40, 4)
    cache = KeyValueCache()
    cache.select(torch.tensor([0]))  # nothing to select yet
    cache.append(key[:, :, :31], value[:, :, :31])
    chosen = torch.tensor([3, 0, 0])
    cache.select(chosen)
    for t in range(31, 40):
        keys, values = cache.append(key[chosen, :, t : t + 1], value[chosen, :, t : t + 1])
    assert torch.equal(keys, key[chosen])
    assert torch.equal(values, value[chosen])
    keys[0] = 0.0  # rows that came from one row are copies
    assert torch.equal(cache.append(key[:3, :, :0], value[:3, :, :0])[0][1:], key[[0, 0]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("learning", [True, False])
def test_a_layer_of_another_type_computes_in_it(dtype, learning):
    torch.manual_seed(0)
    states = draw(0, 2, 3, 8).to(dtype)
    cross, layer = CrossAttention(8, 2).to(dtype), SelfAttention(8, 2).to(dtype)
    with torch.set_grad_enabled(learning):
        attended = layer(states, causal=True)
        seen = cross(states, cross.project_memory(states))
    assert (attended.dtype, seen.dtype) == (dtype, dtype)
    states, cross, layer = states.double(), cross.double(), layer.double()
    close = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(attended.double(), layer(states, causal=True), rtol=close, atol=close)
    torch.testing.assert_close(seen.double(), cross(states, cross.project_memory(states)), rtol=close, atol=close)


@pytest.mark.parametrize("shape", [(0, 3, 8), (2, 0, 8), (0, 0, 8)])
def test_nothing_gives_nothing(shape):
    states = torch.zeros(shape)
    cross, layer = CrossAttention(8, 2), SelfAttention(8, 2)
    assert layer(states).shape == shape
    assert layer.weights(states).shape == (shape[0], 2, shape[1], shape[1])
    assert cross(states, cross.project_memory(states)).shape == shape


def test_weights_of_large_states_in_half_precision_are_those_that_attend_averages_with():
    states = torch.full((1, 1, 2, 64), 40.0, dtype=torch.float16)
    weights = attention_weights(states, states)
    assert weights.dtype == torch.float16
    assert weights.tolist() == [[[[0.5, 0.5], [0.5, 0.5]]]]
    torch.testing.assert_close(weights @ states, attend(states, states, states))


def test_weights_hide_no_state_that_is_no_number():
    states = torch.zeros(1, 1, 2, 4)
    states[..., 1, 0] = torch.nan
    mask = torch.tensor([[[[True, True], [True, True]]]])
    assert attention_weights(states, states, mask=mask).isnan().all()
    assert attention_weights(states, states, mask=mask & False).eq(0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_are_as_exact_under_autocast(dtype):
    states = 200 * torch.randn(2, 2, 5, 16, generator=torch.Generator().manual_seed(0))
    expected = attention_weights(states, states)
    with torch.autocast("cpu", dtype):
        assert torch.equal(attention_weights(states, states), expected)
        narrow = attention_weights(states.to(dtype), states.to(dtype))
    assert torch.equal(narrow, attention_weights(states.to(dtype), states.to(dtype)))
