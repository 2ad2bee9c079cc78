"""Linear-chain conditional random fields: Lafferty, McCallum & Pereira 2001, section 3.

Tags y of a sentence with emissions e score start[y_1] + Σ_t e_t[y_t] + Σ_t transitions[y_t-1, y_t] + end[y_n], and
p(y | e) = exp(score) / Z. Scores may be of any size, and -inf.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from latticework.core.errors import InputError
from latticework.nn.forward_backward import (
    Messages,
    from_the_last,
    log_probabilities,
    pass_messages,
    tag_probabilities,
    transition_counts,
)


class ChainScores(NamedTuple):
    """What a chain adds to the emissions: scores of a transition [from, to], of the first tag and of the last."""

    transitions: Float[Tensor, "tags tags"]
    start: Float[Tensor, " tags"]
    end: Float[Tensor, " tags"]


class AllowedTags(NamedTuple):
    """Which tag may follow which [from, to], which may be the first and which the last."""

    transitions: Bool[Tensor, "tags tags"]
    begins: Bool[Tensor, " tags"]
    ends: Bool[Tensor, " tags"]


def negative_log_likelihood(
    emissions: Float[Tensor, "batch time tags"],
    tags: Int[Tensor, "batch time"],
    lengths: Int[Tensor, " batch"],
    scores: ChainScores,
) -> Float[Tensor, " batch"]:
    """-log p(tags | emissions) of each sentence; 0 for an empty one.

    Value and gradients come from one pass in O(batch · time · tags²). Gradients of gradients are not available.

    Parameters
    ----------
    emissions
        Scores of tags; what stands beyond a sentence's length is ignored, as it is in `tags`.
    tags
        Gold tags.
    lengths
        Tags of each sentence, in any order.
    scores
        Of the chain.

    Raises
    ------
    InputError
        If a length or a tag is out of range. Looked for on a CPU only: elsewhere that would wait for the device.

    Examples
    --------
    >>> scores = ChainScores(torch.zeros(3, 3), torch.zeros(3), torch.zeros(3))
    >>> tags, lengths = torch.tensor([[0, 2], [1, 0]]), torch.tensor([2, 1])
    >>> negative_log_likelihood(torch.zeros(2, 2, 3), tags, lengths, scores) / torch.tensor(3.0).log()
    tensor([2., 1.])
    """
    _check(emissions, lengths, tags)
    if not emissions.shape[1]:
        emissions, tags = F.pad(emissions, (0, 0, 0, 1)), F.pad(tags, (0, 1))
    learning = torch.is_grad_enabled() and any(each.requires_grad for each in (emissions, *scores))
    loss: Tensor = _NegativeLogLikelihood.apply(  # type: ignore[no-untyped-call]
        emissions, tags, lengths, *scores, learning
    )
    return loss


@torch.no_grad()
def marginals(
    emissions: Float[Tensor, "batch time tags"], lengths: Int[Tensor, " batch"], scores: ChainScores
) -> Float[Tensor, "batch time tags"]:
    """p(y_t = tag | emissions), and 0 beyond a sentence's length; without gradients.

    Examples
    --------
    >>> scores = ChainScores(torch.zeros(2, 2), torch.tensor([0.0, 1.0]), torch.zeros(2))
    >>> marginals(torch.zeros(1, 2, 2), torch.tensor([1]), scores)
    tensor([[[0.2689, 0.7311],
             [0.0000, 0.0000]]])
    """
    _check(emissions, lengths)
    if not emissions.shape[1]:
        return emissions
    return tag_probabilities(_all_messages(emissions, lengths, scores)).transpose(0, 1)


@torch.no_grad()
def span_log_probability(
    emissions: Float[Tensor, "batch time tags"],
    lengths: Int[Tensor, " batch"],
    sentence: Int[Tensor, " spans"],
    begin: Int[Tensor, " spans"],
    paths: Int[Tensor, "spans width"],
    widths: Int[Tensor, " spans"],
    scores: ChainScores,
) -> Float[Tensor, " spans"]:
    """The logarithm of p(y_begin, ..., y_begin+width-1 = path | emissions), of many spans at once.

    Parameters
    ----------
    emissions, lengths, scores
        As in `negative_log_likelihood`.
    sentence, begin
        Where a span is: its row of `emissions` and its first position.
    paths, widths
        Tags of each span, padded with any tag, and how many they are: at least 1, and none beyond the sentence.

    Examples
    --------
    >>> scores = ChainScores(torch.zeros(2, 2), torch.zeros(2), torch.zeros(2))
    >>> at = {"sentence": torch.tensor([0]), "begin": torch.tensor([1])}
    >>> path = {"paths": torch.tensor([[1, 0]]), "widths": torch.tensor([2])}
    >>> span_log_probability(torch.zeros(1, 4, 2), torch.tensor([4]), **at, **path, scores=scores).exp()
    tensor([0.2500])
    """
    _check(emissions, lengths)
    if not paths.numel():
        return emissions.new_zeros(len(paths))
    messages = _all_messages(emissions, lengths, scores)
    following = log_probabilities(messages.emissions + messages.suffixes)
    steps = torch.arange(paths.shape[1], device=paths.device)
    places = (begin[:, None] + steps).clamp(max=emissions.shape[1] - 1)
    rows = sentence[:, None]
    log_first = log_probabilities(messages.prefixes + messages.suffixes)[places[:, 0], sentence, paths[:, 0]]
    # p(y_t | y_t-1, emissions): what may follow y_t, over what may follow y_t-1
    log_next = (
        messages.transitions[paths[:, :-1], paths[:, 1:]]
        + following[places[:, 1:], rows, paths[:, 1:]]
        - messages.suffixes[places[:, :-1], rows, paths[:, :-1]]
    )
    return (log_first + log_next.masked_fill(steps[1:] >= widths[:, None], 0).sum(1)).clamp_(max=0)


@torch.no_grad()
def viterbi(
    emissions: Float[Tensor, "batch time tags"],
    lengths: Int[Tensor, " batch"],
    scores: ChainScores,
    *,
    allowed: AllowedTags | None = None,
) -> tuple[Int64[Tensor, "batch time"], Float[Tensor, " batch"]]:
    """The best tags of each sentence, 0 beyond its length, and their score.

    Parameters
    ----------
    emissions, lengths, scores
        As in `negative_log_likelihood`.
    allowed
        If given, the best of the sequences that consist of what is allowed; where there are none the score is -inf and
        the tags mean nothing.

    Examples
    --------
    >>> scores = ChainScores(torch.zeros(2, 2), torch.zeros(2), torch.zeros(2))
    >>> emissions, lengths = torch.tensor([[[0.0, 5.0], [0.0, 1.0], [3.0, 0.0]]]), torch.tensor([3])
    >>> viterbi(emissions, lengths, scores)
    (tensor([[1, 1, 0]]), tensor([9.]))
    >>> every = torch.tensor([True, True])
    >>> viterbi(emissions, lengths, scores, allowed=AllowedTags(~torch.eye(2, dtype=torch.bool), every, every))
    (tensor([[1, 0, 1]]), tensor([5.]))
    """
    _check(emissions, lengths)
    batch, time, _ = emissions.shape
    if not time:
        return lengths.new_zeros(batch, 0, dtype=torch.int64), emissions.new_zeros(batch)
    emissions, scores = _prepared(emissions, scores)
    if allowed is not None:
        scores = ChainScores(*(each.masked_fill(~may, -torch.inf) for each, may in zip(scores, allowed, strict=True)))
    by_time = emissions.transpose(0, 1).contiguous()
    best = _best_scores(by_time, scores)
    # Which tag was best before another is asked along the best path alone, from the last tag of each sentence on.
    places = from_the_last(lengths, time)
    before = best.flatten(0, 1)[places * batch + torch.arange(batch, device=best.device)]
    found = torch.empty_like(places)
    torch.argmax(before[0] + scores.end, -1, out=found[0])
    into = scores.transitions.T.contiguous()
    for t in range(1, time):
        torch.argmax(into.index_select(0, found[t - 1]).add_(before[t]), -1, out=found[t])
    tags = found.gather(0, places).T
    tags = tags.masked_fill(torch.arange(time, device=tags.device) >= lengths[:, None], 0)
    return tags, _terms(by_time, tags, lengths, scores).sum(0)


def _best_scores(by_time: Float[Tensor, "time batch tags"], scores: ChainScores) -> Float[Tensor, "time batch tags"]:
    """Of the tag sequences that end in a tag, up to a constant for each position: long sentences lose no digits."""
    best = torch.empty_like(by_time)
    torch.add(by_time[0], scores.start, out=best[0])
    _, batch, tags = best.shape
    candidates = best.new_empty(tags, batch, tags)
    transitions = scores.transitions[:, None]
    steps = best.unbind()
    for before, after, emission in zip(steps[:-1], steps[1:], by_time[1:].unbind(), strict=True):
        before -= before.amax(-1, keepdim=True)
        torch.add(before.T[:, :, None], transitions, out=candidates)
        torch.amax(candidates, 0, out=after)
        after += emission
    return best


class LinearChainCRF(nn.Module):
    """Transition scores that are learned, and the functions of this module with them.

    Parameters
    ----------
    tags
        How many there are.

    Examples
    --------
    >>> crf = LinearChainCRF(5)
    >>> emissions, lengths = torch.randn(2, 7, 5), torch.tensor([7, 4])
    >>> tags, score = crf.viterbi(emissions, lengths)
    >>> bool((crf.negative_log_likelihood(emissions, tags, lengths) > 0).all())
    True
    """

    def __init__(self, tags: int) -> None:
        super().__init__()
        if tags < 1:
            raise InputError(f"a chain needs at least 1 tag, got {tags}")
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))

    @property
    def scores(self) -> ChainScores:
        """The parameters."""
        return ChainScores(self.transitions, self.start, self.end)

    def negative_log_likelihood(
        self,
        emissions: Float[Tensor, "batch time tags"],
        tags: Int[Tensor, "batch time"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """See `negative_log_likelihood`."""
        return negative_log_likelihood(emissions, tags, lengths, self.scores)

    def marginals(
        self, emissions: Float[Tensor, "batch time tags"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time tags"]:
        """See `marginals`."""
        return marginals(emissions, lengths, self.scores)

    def span_log_probability(
        self,
        emissions: Float[Tensor, "batch time tags"],
        lengths: Int[Tensor, " batch"],
        sentence: Int[Tensor, " spans"],
        begin: Int[Tensor, " spans"],
        paths: Int[Tensor, "spans width"],
        widths: Int[Tensor, " spans"],
    ) -> Float[Tensor, " spans"]:
        """See `span_log_probability`."""
        return span_log_probability(emissions, lengths, sentence, begin, paths, widths, self.scores)

    def viterbi(
        self,
        emissions: Float[Tensor, "batch time tags"],
        lengths: Int[Tensor, " batch"],
        *,
        allowed: AllowedTags | None = None,
    ) -> tuple[Int64[Tensor, "batch time"], Float[Tensor, " batch"]]:
        """See `viterbi`."""
        return viterbi(emissions, lengths, self.scores, allowed=allowed)


def _check(emissions: Tensor, lengths: Tensor, tags: Tensor | None = None) -> None:
    batch, time, count = emissions.shape
    if not batch or lengths.device.type != "cpu":
        return
    smallest, largest = (int(length) for length in lengths.aminmax())
    if smallest < 0 or largest > time:
        raise InputError(f"lengths must be from 0 to {time}, the positions there are, got {smallest} to {largest}")
    if tags is None or not time:
        return
    wrong = ((tags < 0) | (tags >= count)) & (torch.arange(time) < lengths[:, None])
    if wrong.any():
        row, position = (int(index) for index in wrong.nonzero()[0])
        got = int(tags[row, position])
        raise InputError(f"tags must be from 0 to {count - 1}, got {got} at position {position} of sentence {row}")


def _prepared(emissions: Tensor, scores: ChainScores) -> tuple[Tensor, ChainScores]:
    """Emissions and scores in one type of at least 32 bits."""
    dtype = torch.promote_types(torch.promote_types(emissions.dtype, scores.transitions.dtype), torch.float32)
    return emissions.detach().to(dtype), ChainScores(*(score.detach().to(dtype) for score in scores))


def _all_messages(emissions: Tensor, lengths: Tensor, scores: ChainScores) -> Messages:
    emissions, scores = _prepared(emissions, scores)
    with torch.autocast(emissions.device.type, enabled=False):
        return pass_messages(emissions, *scores, lengths)


def _last(lengths: Tensor) -> tuple[Int64[Tensor, " batch"], Int64[Tensor, " batch"]]:
    """Indices of the last tags in (time, batch); of the first in an empty sentence."""
    return (lengths - 1).clamp(min=0).to(torch.int64), torch.arange(len(lengths), device=lengths.device)


def _terms(
    by_time: Float[Tensor, "time batch tags"], tags: Tensor, lengths: Tensor, scores: ChainScores
) -> Float[Tensor, "time batch"]:
    """What each position of a tag sequence adds to its score."""
    inside = torch.arange(len(by_time), device=lengths.device)[:, None] < lengths
    tags = tags.T.masked_fill(~inside, 0)
    terms = by_time.gather(2, tags[:, :, None]).squeeze(2)
    terms[0] += scores.start[tags[0]]
    terms[1:] += scores.transitions[tags[:-1], tags[1:]]
    last = _last(lengths)
    terms[last] += scores.end[tags[last]]
    return terms.masked_fill_(~inside, 0)


class _NegativeLogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        tags: Tensor,
        lengths: Tensor,
        transitions: Tensor,
        start: Tensor,
        end: Tensor,
        learning: bool,
    ) -> Tensor:
        ctx.dtypes = [each.dtype for each in (emissions, transitions, start, end)]
        emissions, scores = _prepared(emissions, ChainScores(transitions, start, end))
        with torch.autocast(emissions.device.type, enabled=False):
            messages = pass_messages(emissions, *scores, lengths, both=learning)
            if learning:
                ctx.save_for_backward(*_gradients(messages, tags, lengths))
        # log Z is a sum over positions, and so is the score: their differences are small and keep their digits.
        normalisers = messages.prefixes.amax(2) - messages.shares.amax(2).log_()
        last = _last(lengths)
        normalisers[last] = (messages.prefixes[last] + scores.end).logsumexp(1)
        terms = _terms(messages.emissions, tags, lengths, scores._replace(transitions=messages.transitions))
        return normalisers.sub_(terms).masked_fill_(~messages.inside, 0).sum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        emissions, transitions, start, end = ctx.saved_tensors
        weights = grad_loss.to(emissions.dtype)
        with torch.autocast(weights.device.type, enabled=False):
            gradients = (
                emissions * weights[:, None, None],
                (weights @ transitions.flatten(1)).view(transitions.shape[1:]),
                weights @ start,
                weights @ end,
            )
        of_emissions, *of_scores = (gradient.to(dtype) for gradient, dtype in zip(gradients, ctx.dtypes, strict=True))
        return of_emissions, None, None, *of_scores, None


def _gradients(messages: Messages, tags: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each sentence's loss, for emissions and a chain's scores: what is expected less what is seen."""
    probabilities = tag_probabilities(messages)
    counts = transition_counts(messages, probabilities)
    gold = tags.T.masked_fill(~messages.inside, 0)
    seen = messages.inside.to(probabilities.dtype)
    probabilities.scatter_add_(2, gold[:, :, None], -seen[:, :, None])
    pairs = gold[:-1] * counts.shape[1] + gold[1:]
    counts.flatten(1).scatter_add_(1, pairs.T, -seen[1:].T)
    return probabilities.transpose(0, 1), counts, probabilities[0], probabilities[_last(lengths)]
