"""The best tag sequence of a chain: the algorithm of Viterbi 1967, of all sequences or of those that are allowed."""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from latticework.nn.chain import AllowedTags, ChainScores, check_chain, prepared, score_terms
from latticework.nn.forward_backward import from_the_last


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
    check_chain(emissions, lengths)
    batch, time, _ = emissions.shape
    emissions, scores = prepared(emissions, scores)
    if not time:
        return lengths.new_zeros(batch, 0, dtype=torch.int64), emissions.new_zeros(batch)
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
    return tags, score_terms(by_time, tags, lengths, scores).sum(0)


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
