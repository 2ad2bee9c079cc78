import numpy as np
import pytest
import torch
from reference import crf as reference

from latticework.nn import forward_backward
from latticework.nn.forward_backward import pass_messages, tag_probabilities, transition_counts


def draw(seed, lengths, tags, *, emission_scale=1.0, transition_scale=1.0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    emissions = torch.randn(len(lengths), max(lengths), tags, generator=generator).mul(emission_scale)
    transitions = torch.randn(tags, tags, generator=generator).mul(transition_scale)
    start, end = torch.randn(2, tags, generator=generator)
    return (*(each.to(dtype) for each in (emissions, transitions, start, end)), torch.tensor(lengths))


def refuse(*_):
    pytest.fail("a product with exp(transitions) would have done")


def test_emissions_far_apart_need_no_logarithms_throughout(monkeypatch):
    monkeypatch.setattr(forward_backward, "_pass_on_exactly", refuse)
    messages = pass_messages(*draw(0, [30, 12], 6, emission_scale=1e4, transition_scale=8.0))
    assert messages.exact is None
    assert transition_counts(messages, tag_probabilities(messages)).isfinite().all()


def test_only_sentences_that_lose_something_are_done_again():
    """From tag 0 on, tag 1 is hardly reached. Where the sentence begins with tag 1, or may, nothing is lost."""
    transitions = torch.tensor([[0.0, -200.0], [-1.0, 0.0]])
    emissions = torch.zeros(3, 4, 2)
    emissions[1, 0, 1] = -300.0
    flat = torch.zeros(2)
    messages = pass_messages(emissions, transitions, flat, flat, torch.tensor([4, 4, 2]))
    assert messages.exact.tolist() == [1]


@pytest.mark.parametrize("lengths", [[9, 4, 0, 7, 1], [1, 1]])
def test_logarithms_throughout_give_the_same(monkeypatch, lengths):
    drawn = draw(1, lengths, 5, dtype=torch.float64)
    fast = pass_messages(*drawn)
    monkeypatch.setattr(forward_backward, "_lossy", lambda sums: torch.arange(sums.shape[2]))
    exact = pass_messages(*drawn)
    for name in ("arriving", "prefixes", "shares", "suffixes"):
        torch.testing.assert_close(getattr(exact, name), getattr(fast, name))
    probabilities = tag_probabilities(fast)
    torch.testing.assert_close(tag_probabilities(exact), probabilities)
    torch.testing.assert_close(transition_counts(exact, probabilities), transition_counts(fast, probabilities))


@pytest.mark.parametrize("scale", [1.0, 2e3])
def test_transitions_are_counted_as_in_all_sequences_listed(scale):
    *drawn, lengths = draw(2, [5, 2, 1, 0], 3, transition_scale=scale, dtype=torch.float64)
    messages = pass_messages(*drawn, lengths)
    assert (messages.exact is None) == (scale == 1.0)
    found = transition_counts(messages, tag_probabilities(messages))
    emissions, *scores = (each.tolist() for each in drawn)
    for counts, rows, length in zip(found, emissions, lengths.tolist(), strict=True):
        expected = np.zeros((3, 3))
        listed = reference.everything(rows[:length], *scores)
        for path, probability in reference.probabilities(listed).items():
            np.add.at(expected, (path[:-1], path[1:]), probability)
        np.testing.assert_allclose(counts, expected, atol=1e-9)


def test_messages_are_those_of_the_reference():
    *drawn, lengths = draw(3, [6, 3], 4, dtype=torch.float64)
    messages = pass_messages(*drawn, lengths)
    emissions, transitions, start, end = (each.tolist() for each in drawn)
    for row, length in enumerate(lengths.tolist()):
        alpha = np.array(reference.forward(emissions[row][:length], transitions, start))
        beta = np.array(reference.backward(emissions[row][:length], transitions, end))
        for found, expected in ((messages.prefixes, alpha), (messages.suffixes, beta)):
            constant = found[:length, row].numpy() - expected
            np.testing.assert_allclose(constant, constant[:, :1].repeat(4, 1), atol=1e-12)
