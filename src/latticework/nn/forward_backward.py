"""Sums over all tag sequences of a chain: the forward-backward algorithm, as in Lafferty et al. 2001, section 3.2.

Messages are logarithms, but a step multiplies their softmax, which neither overflows nor vanishes, by exp(transitions):
one small matrix product. How far apart emissions are does not matter to that. Where transitions are so far apart that a
sum might have lost a part, which is looked for once, after the last step, the sentence is done again with logarithms
throughout. The backward algorithm is the forward algorithm on reversed sentences, and both run in one loop.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor


class Messages(NamedTuple):
    """What the two algorithms pass on; logarithms are up to a constant for each position of a sentence."""

    emissions: Float[Tensor, "time batch tags"]  # 0 beyond a sentence
    inside: Bool[Tensor, "time batch"]
    transitions: Float[Tensor, "tags tags"]  # less their largest
    sums: Float[Tensor, "time batch tags"]  # over all that leads to a tag, without its own emission
    arriving: Float[Tensor, "time batch tags"]  # their logarithms
    prefixes: Float[Tensor, "time batch tags"]  # with the tag's emission
    shares: Float[Tensor, "time batch tags"]  # softmax of the prefixes
    suffixes: Float[Tensor, "time batch tags"]  # logarithms of sums over all that may follow a tag
    exact: Int64[Tensor, " kept"] | None  # sentences for which `sums` would not do, and in which they mean nothing


def pass_messages(
    emissions: Float[Tensor, "batch time tags"],
    transitions: Float[Tensor, "tags tags"],
    start: Float[Tensor, " tags"],
    end: Float[Tensor, " tags"],
    lengths: Int[Tensor, " batch"],
    *,
    both: bool = True,
) -> Messages:
    """Run the forward algorithm and, with `both`, the backward algorithm; else `suffixes` mean nothing.

    Waits for the device once, or twice where sentences are done again.

    Examples
    --------
    >>> flat = torch.zeros(2)
    >>> pass_messages(torch.zeros(1, 3, 2), torch.zeros(2, 2), flat, flat, torch.tensor([3])).sums[2]
    tensor([[1., 1.]])
    """
    batch, time, tags = emissions.shape
    steps = torch.arange(time, device=lengths.device)[:, None]
    inside = steps < lengths
    rows = torch.arange(batch, device=lengths.device)
    backwards = from_the_last(lengths, time)
    largest = transitions.max()
    transitions = transitions - torch.where(largest.isfinite(), largest, 0)
    places, first, factors = steps[:, None], start[None], transitions[None]
    if both:
        places = torch.stack([steps.expand_as(backwards), backwards], 1)
        first = torch.stack([start, end])
        factors = torch.stack([transitions, transitions.T])
    # What stands beyond a sentence, and may be anything, is replaced by one more row, of zeros.
    table = torch.cat([emissions.reshape(-1, tags), emissions.new_zeros(1, tags)])
    places = torch.where(inside[:, None], places + rows * time, len(table) - 1)
    chains = table.index_select(0, places.flatten()).view(*places.shape, tags)
    sums, *logarithms = _pass_on(chains, first, factors)
    exact = _lossy(sums)
    if exact is not None:
        right = _pass_on_exactly(chains[:, :, exact], first, factors)
        for messages, replaced in zip(logarithms, right, strict=True):
            messages[:, :, exact] = replaced
    arriving, prefixes, shares = logarithms
    suffixes = arriving[:, 0]
    if both:
        places = (2 * backwards + 1) * batch + rows
        suffixes = arriving.flatten(0, 2).index_select(0, places.flatten()).view(time, batch, tags)
    return Messages(
        emissions=chains[:, 0],
        inside=inside,
        transitions=transitions,
        sums=sums[:, 0],
        arriving=arriving[:, 0],
        prefixes=prefixes[:, 0],
        shares=shares[:, 0],
        suffixes=suffixes,
        exact=exact,
    )


def from_the_last(lengths: Int[Tensor, " batch"], time: int) -> Int64[Tensor, "time batch"]:
    """The positions of a sentence from its last to its first, and 0 from there on; so also the way back.

    Examples
    --------
    >>> from_the_last(torch.tensor([3, 2]), 3).T.tolist()
    [[2, 1, 0], [1, 0, 0]]
    """
    steps = torch.arange(time, device=lengths.device)[:, None]
    return (lengths - 1 - steps).clamp_(min=0).to(torch.int64)


def log_probabilities(logarithms: Float[Tensor, "*batch tags"]) -> Float[Tensor, "*batch tags"]:
    """As `log_softmax`, and -inf where all are.

    Examples
    --------
    >>> log_probabilities(torch.tensor([[0.0, 0.0], [-torch.inf, -torch.inf]])).exp()
    tensor([[0.5000, 0.5000],
            [0.0000, 0.0000]])
    """
    return logarithms - logarithms.logsumexp(-1, keepdim=True).clamp_(min=torch.finfo(logarithms.dtype).min)


def tag_probabilities(messages: Messages) -> Float[Tensor, "time batch tags"]:
    """p(y_t = tag | emissions), and 0 beyond a sentence.

    Examples
    --------
    >>> flat = torch.zeros(2)
    >>> tag_probabilities(pass_messages(torch.zeros(1, 3, 2), torch.zeros(2, 2), flat, flat, torch.tensor([2])))[:, 0]
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000],
            [0.0000, 0.0000]])
    """
    shares = (messages.prefixes + messages.suffixes).softmax(-1)  # NaN where no tag can stand: times 0 that is NaN
    return shares.masked_fill_(~messages.inside[:, :, None], 0)


def transition_counts(
    messages: Messages, probabilities: Float[Tensor, "time batch tags"]
) -> Float[Tensor, "batch tags tags"]:
    """How often each transition [from, to] is expected in each sentence, given `tag_probabilities`.

    p(y_t-1 = i, y_t = j) = p(i | j) p(j), and p(i | j) is the share of i in the sum that arrives at j.

    Examples
    --------
    >>> flat = torch.zeros(2)
    >>> messages = pass_messages(torch.zeros(1, 3, 2), torch.zeros(2, 2), flat, flat, torch.tensor([3]))
    >>> transition_counts(messages, tag_probabilities(messages))
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    parts = probabilities[1:] / messages.sums[1:]
    counts = torch.bmm(messages.shares[:-1].permute(1, 2, 0), parts.transpose(0, 1)).mul_(messages.transitions.exp())
    if messages.exact is not None:
        counts[messages.exact] = _exact_transition_counts(messages, probabilities, messages.exact)
    return counts


def _pass_on(
    emissions: Float[Tensor, "time chains batch tags"],
    first: Float[Tensor, "chains tags"],
    transitions: Float[Tensor, "chains tags tags"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each chain: `sums` (none at the first position), `arriving`, `prefixes` and `shares`."""
    sums, arriving, prefixes, shares = (torch.empty_like(emissions) for _ in range(4))
    sums[0] = 1
    arriving[0] = first[:, None]
    factors = transitions.exp()
    before = None
    for emission, total, logarithm, prefix, share in zip(
        *(each.unbind() for each in (emissions, sums, arriving, prefixes, shares)), strict=True
    ):
        if before is not None:
            torch.bmm(before, factors, out=total)
            torch.log(total, out=logarithm)
        torch.add(logarithm, emission, out=prefix)
        torch.softmax(prefix, -1, out=share)
        before = share
    return sums, arriving, prefixes, shares


def _lossy(sums: Float[Tensor, "time chains batch tags"]) -> Int64[Tensor, " kept"] | None:
    """Sentences in which the smallest sum is near the smallest number, below which what it is made of vanishes."""
    numbers = torch.finfo(sums.dtype)
    lossy = (sums.amin(-1) < numbers.tiny / numbers.eps**2).flatten(0, 1).any(0)
    return lossy.nonzero().squeeze(1) if lossy.any() else None


def _pass_on_exactly(
    emissions: Float[Tensor, "time chains kept tags"],
    first: Float[Tensor, "chains tags"],
    transitions: Float[Tensor, "chains tags tags"],
) -> tuple[Tensor, Tensor, Tensor]:
    """As `_pass_on`, without `sums`."""
    arriving, prefixes = (torch.empty_like(emissions) for _ in range(2))
    arriving[0] = first[:, None]
    prefixes[0] = arriving[0] + emissions[0]
    for t in range(1, len(emissions)):
        before = log_probabilities(prefixes[t - 1])
        arriving[t] = (before[..., None] + transitions[:, None]).logsumexp(-2)
        prefixes[t] = arriving[t] + emissions[t]
    return arriving, prefixes, log_probabilities(prefixes).exp_()


def _exact_transition_counts(
    messages: Messages, probabilities: Tensor, kept: Tensor
) -> Float[Tensor, "kept tags tags"]:
    prefixes, arriving = log_probabilities(messages.prefixes[:, kept]), messages.arriving[:, kept]
    arriving = arriving.clamp_(min=torch.finfo(arriving.dtype).min)  # of what is impossible there are no shares
    steps = zip(prefixes[:-1, :, :, None], arriving[1:, :, None], probabilities[1:, kept, None], strict=True)
    counts = probabilities.new_zeros(len(kept), *messages.transitions.shape)
    for before, at, probability in steps:
        counts.addcmul_((before + (messages.transitions - at)).exp_(), probability)
    return counts
