"""Linear-chain conditional random fields: Lafferty, McCallum & Pereira 2001, section 3.

Tags y of a sentence with emissions e score start[y_1] + Σ_t e_t[y_t] + Σ_t transitions[y_t-1, y_t] + end[y_n], and
p(y | e) = exp(score) / Z. Scores may be of any size, and -inf.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from latticework.core.errors import InputError
from latticework.nn.chain import AllowedTags, ChainScores, check_chain, last_tags, prepared, score_terms
from latticework.nn.forward_backward import (
    Messages,
    log_probabilities,
    pass_messages,
    tag_probabilities,
    transition_counts,
)
from latticework.nn.linear import without_autocast
from latticework.nn.viterbi import viterbi


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
    check_chain(emissions, lengths, tags)
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
    check_chain(emissions, lengths)
    if not emissions.shape[1]:
        return torch.zeros_like(prepared(emissions, scores)[0])
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
    check_chain(emissions, lengths)
    if not paths.numel():
        return prepared(emissions, scores)[0].new_zeros(len(paths))
    messages = _all_messages(emissions, lengths, scores)
    following = log_probabilities(messages.emissions + messages.suffixes)
    steps = torch.arange(paths.shape[1], device=paths.device)
    places = (begin[:, None] + steps).clamp(max=emissions.shape[1] - 1)
    rows = sentence[:, None]
    log_first = log_probabilities(messages.prefixes + messages.suffixes)[places[:, 0], sentence, paths[:, 0]]
    # p(y_t | y_t-1, emissions): what may follow y_t, over what may follow y_t-1
    over = messages.suffixes[places[:, :-1], rows, paths[:, :-1]]
    log_next = (
        messages.transitions[paths[:, :-1], paths[:, 1:]]
        + following[places[:, 1:], rows, paths[:, 1:]]
        - over.clamp_(min=torch.finfo(over.dtype).min)  # where nothing may follow, -inf less a number stays -inf
    )
    return (log_first + log_next.masked_fill(steps[1:] >= widths[:, None], 0).sum(1)).clamp_(max=0)


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


def _all_messages(emissions: Tensor, lengths: Tensor, scores: ChainScores) -> Messages:
    emissions, scores = prepared(emissions, scores)
    with without_autocast(emissions.device.type):
        return pass_messages(emissions, *scores, lengths)


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
        emissions, scores = prepared(emissions, ChainScores(transitions, start, end))
        with without_autocast(emissions.device.type):
            messages = pass_messages(emissions, *scores, lengths, both=learning)
            if learning:
                ctx.save_for_backward(*_gradients(messages, tags, lengths))
        # log Z is a sum over positions, and so is the score: their differences are small and keep their digits.
        normalisers = messages.prefixes.amax(2) - messages.shares.amax(2).log_()
        last = last_tags(lengths)
        normalisers[last] = (messages.prefixes[last] + scores.end).logsumexp(1)
        terms = score_terms(messages.emissions, tags, lengths, scores._replace(transitions=messages.transitions))
        return normalisers.sub_(terms).masked_fill_(~messages.inside, 0).sum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        emissions, transitions, start, end = ctx.saved_tensors
        weights = grad_loss.to(emissions.dtype)
        with without_autocast(weights.device.type):
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
    return probabilities.transpose(0, 1), counts, probabilities[0], probabilities[last_tags(lengths)]
