import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from nn.watching import Watching
from reference import transformer as reference
from reference.derivatives import assert_gradients

from latticework.nn import linear_cross_entropy, losses, smoothed_cross_entropy

smoothings = pytest.mark.parametrize("smoothing", [0.0, 0.1])


def chunks_of(logits, patch):
    """Let chunks be of so many logits, whatever number of tokens that is."""
    patch.setattr(losses, "CHUNK_ELEMENTS", logits)
    patch.setattr(losses, "CHUNK_TOKENS", 1)


def draw(seed, tokens, model, vocabulary, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(tokens, model, generator=generator, dtype=dtype).requires_grad_()
    weight = torch.randn(vocabulary, model, generator=generator, dtype=dtype).requires_grad_()
    return states, weight, torch.randint(vocabulary, (tokens,), generator=generator)


def explicit_kl(states, weight, targets, smoothing):
    logits = states @ weight.T
    return sum(
        reference.smoothed_cross_entropy(row, gold, smoothing) for row, gold in zip(logits, targets, strict=True)
    )


def test_uniform_prediction_costs_the_logarithm_of_the_vocabulary():
    for smoothing in (0.0, 0.1, 0.9):
        losses_of = smoothed_cross_entropy(torch.zeros(3, 7), torch.tensor([0, 3, 6]), smoothing=smoothing)
        torch.testing.assert_close(losses_of, torch.full((3,), 7.0).log())


@settings(max_examples=25)
@given(
    tokens=st.integers(1, 6),
    model=st.integers(1, 5),
    vocabulary=st.integers(2, 9),
    smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    chunk=st.sampled_from([1, 13, 20, 1 << 22]),
    seed=st.integers(0, 99),
)
def test_both_losses_and_torch_are_the_explicit_divergence(tokens, model, vocabulary, smoothing, chunk, seed):
    states, weight, targets = draw(seed, tokens, model, vocabulary)
    arrays = {"states": states.detach().numpy(), "weight": weight.detach().numpy()}
    gold = targets.tolist()
    expected = explicit_kl(**arrays, targets=gold, smoothing=smoothing)
    logits = states @ weight.T
    with pytest.MonkeyPatch.context() as patch:
        chunks_of(chunk, patch)
        fused = linear_cross_entropy(states, weight, targets, smoothing=smoothing)
    direct = smoothed_cross_entropy(logits, targets, smoothing=smoothing)
    peer = F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(direct, peer)
    for total in (fused, direct.sum(), peer.sum()):
        np.testing.assert_allclose(total.item(), expected, rtol=1e-12, atol=1e-12)
        gradients = torch.autograd.grad(total * 3.0, [states, weight], retain_graph=True)
        assert_gradients(
            lambda values: 3.0 * explicit_kl(**values, targets=gold, smoothing=smoothing),
            arrays,
            dict(zip(arrays, (gradient.numpy() for gradient in gradients), strict=True)),
        )


@smoothings
@pytest.mark.parametrize("chunk", [1, 50, 101, 350, 1_000, 1 << 22])
def test_chunks_change_nothing_but_memory(monkeypatch, smoothing, chunk):
    states, weight, targets = draw(0, 37, 16, 50, torch.float32)
    expected = smoothed_cross_entropy(states @ weight.T, targets, smoothing=smoothing).sum()
    expected_gradients = torch.autograd.grad(expected, [states, weight])
    chunks_of(chunk, monkeypatch)
    loss = linear_cross_entropy(states, weight, targets, smoothing=smoothing)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-5)
    for ours, theirs in zip(torch.autograd.grad(loss, [states, weight]), expected_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@smoothings
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("chunk", [1, 350, 1 << 22])
def test_loss_without_gradients_is_the_same(monkeypatch, smoothing, autocast, chunk):
    chunks_of(chunk, monkeypatch)
    states, weight, targets = draw(0, 37, 16, 50, torch.float32)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        trained = linear_cross_entropy(states, weight, targets, smoothing=smoothing)
        fixed = linear_cross_entropy(states.detach(), weight.detach(), targets, smoothing=smoothing)
        with torch.inference_mode():
            inferred = linear_cross_entropy(states, weight, targets, smoothing=smoothing)
    assert trained.requires_grad
    for loss in (fixed, inferred):
        assert not loss.requires_grad
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, trained.detach(), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("device, megabytes", [("cpu", 16), ("cuda", 256), ("mps", 256)])
def test_a_large_vocabulary_does_not_make_chunks_of_few_tokens(device, megabytes):
    assert megabytes * 2**20 * 0.99 < losses._chunk_size(4_000, device) * 4_000 * 4 <= megabytes * 2**20
    assert losses._chunk_size(37_000, device) >= losses._chunk_size(10**9, device) == losses.CHUNK_TOKENS


@pytest.mark.parametrize("learning", [False, True])
def test_no_more_than_a_chunk_of_logits_is_ever_held(monkeypatch, learning):
    states, weight, targets = draw(0, 400, 8, 64, torch.float32)
    chunks_of(64 * 32, monkeypatch)
    sizes = []

    def note(name, made):
        if isinstance(made, torch.Tensor):
            sizes.append(made.numel())

    with Watching(note), torch.set_grad_enabled(learning):
        loss = linear_cross_entropy(states, weight, targets)
        if learning:
            loss.backward()
    assert 64 * 32 <= max(sizes) <= max(states.numel(), 64 * 32) < 400 * 64


def test_without_smoothing_both_losses_are_the_cross_entropy():
    states, weight, targets = draw(0, 5, 4, 7)
    expected = F.cross_entropy(states @ weight.T, targets, reduction="none")
    torch.testing.assert_close(smoothed_cross_entropy(states @ weight.T, targets), expected)
    torch.testing.assert_close(linear_cross_entropy(states, weight, targets), expected.sum())


@pytest.mark.parametrize("learning", [False, True])
def test_without_smoothing_an_impossible_output_costs_nothing(learning):
    states, weight = torch.ones(1, 1, requires_grad=learning), torch.tensor([[0.0], [-torch.inf]])
    assert linear_cross_entropy(states, weight, torch.tensor([0])).item() == 0
    assert smoothed_cross_entropy(states @ weight.T, torch.tensor([0])).item() == 0


@smoothings
def test_huge_logits_do_not_overflow(smoothing):
    states = torch.tensor([[1e4, -1e4]], requires_grad=True)
    weight = torch.eye(2, requires_grad=True)
    loss = linear_cross_entropy(states, weight, torch.tensor([0]), smoothing=smoothing)
    loss.backward()
    torch.testing.assert_close(loss.item(), smoothing * 1e4)
    assert states.grad.isfinite().all()
    assert smoothed_cross_entropy(states @ weight, torch.tensor([0]), smoothing=smoothing).isfinite().all()


def test_no_tokens_cost_nothing():
    states, weight, targets = draw(0, 0, 4, 7, torch.float32)
    loss = linear_cross_entropy(states, weight, targets, smoothing=0.1)
    loss.backward()
    assert loss.item() == 0
    assert (weight.grad == 0).all()


def test_published_spread_over_the_others_is_a_larger_smoothing():
    """The code gives ε/(V - 1) to each other piece; with ε' = ε·V/(V - 1) here the targets are the same."""
    vocabulary, smoothing = 9, 0.1
    ours = np.array(reference.smoothed_target(4, vocabulary, smoothing * vocabulary / (vocabulary - 1)))
    theirs = np.full(vocabulary, smoothing / (vocabulary - 1))
    theirs[4] = 1 - smoothing
    np.testing.assert_allclose(ours, theirs)
    logits = torch.randn(1, vocabulary, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = smoothed_cross_entropy(logits, torch.tensor([4]), smoothing=smoothing * vocabulary / (vocabulary - 1))
    np.testing.assert_allclose(loss.item(), -(theirs * logits[0].log_softmax(0).numpy()).sum())


@smoothings
def test_loss_under_autocast_is_as_close_as_bfloat16(monkeypatch, smoothing):
    """A logit is off by 3·2^-8 of Σ|x||w| at most (factors and itself are rounded), a token's loss by twice that."""
    chunks_of(60 * 7, monkeypatch)
    states, weight, targets = draw(0, 45, 32, 60, torch.float32)
    exact = smoothed_cross_entropy(states @ weight.T, targets, smoothing=smoothing).sum()
    exact_gradients = torch.autograd.grad(exact, [states, weight])
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(states, weight, targets, smoothing=smoothing)
    assert loss.dtype == torch.float32
    sizes = (states.detach().abs() @ weight.detach().abs().T).amax(1)
    off = (loss - exact).abs().item()
    assert 0 < off <= 2 * 3 * 2**-8 * sizes.sum().item()
    assert off <= 2e-3 * exact.item()  # errors of the logits mostly cancel
    for ours, theirs in zip(torch.autograd.grad(loss, [states, weight]), exact_gradients, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() <= 0.02 * theirs.norm()  # a probability moves by its logit's error


@smoothings
def test_gradient_of_a_gradient_is_refused(smoothing):
    states, weight, targets = draw(0, 2, 3, 4)
    loss = linear_cross_entropy(states, weight, targets, smoothing=smoothing)
    (gradient,) = torch.autograd.grad(loss.square(), states, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
