"""A linear chain of tags: what it adds to the emissions of a sentence, and the score of a tag sequence.

Tags y of a sentence with emissions e score start[y_1] + Σ_t e_t[y_t] + Σ_t transitions[y_t-1, y_t] + end[y_n].
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from latticework.core.errors import InputError


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


def check_chain(emissions: Tensor, lengths: Tensor, tags: Tensor | None = None) -> None:
    """Refuse lengths and tags out of range; on a CPU only, since elsewhere that would wait for the device."""
    batch, time, count = emissions.shape
    if not batch or lengths.device.type != "cpu":
        return
    smallest, largest = (int(length) for length in lengths.aminmax())
    if smallest < 0 or largest > time:
        raise InputError(f"lengths must be from 0 to {time}, the positions there are, got {smallest} to {largest}")
    if tags is None or not time:
        return
    wrong = ((tags < 0) | (tags >= count)) & (torch.arange(time, device=lengths.device) < lengths[:, None])
    if wrong.any():
        row, position = (int(index) for index in wrong.nonzero()[0])
        got = int(tags[row, position])
        raise InputError(f"tags must be from 0 to {count - 1}, got {got} at position {position} of sentence {row}")


def prepared(emissions: Tensor, scores: ChainScores) -> tuple[Tensor, ChainScores]:
    """Emissions and scores in one type of at least 32 bits."""
    dtype = torch.promote_types(torch.promote_types(emissions.dtype, scores.transitions.dtype), torch.float32)
    return emissions.detach().to(dtype), ChainScores(*(score.detach().to(dtype) for score in scores))


def last_tags(lengths: Tensor) -> tuple[Int64[Tensor, " batch"], Int64[Tensor, " batch"]]:
    """Indices of the last tags in (time, batch); of the first in an empty sentence."""
    return (lengths - 1).clamp(min=0).to(torch.int64), torch.arange(len(lengths), device=lengths.device)


def score_terms(
    by_time: Float[Tensor, "time batch tags"], tags: Tensor, lengths: Tensor, scores: ChainScores
) -> Float[Tensor, "time batch"]:
    """What each position of a tag sequence adds to its score."""
    inside = torch.arange(len(by_time), device=lengths.device)[:, None] < lengths
    tags = tags.T.masked_fill(~inside, 0)
    terms = by_time.gather(2, tags[:, :, None]).squeeze(2)
    terms[0] += scores.start[tags[0]]
    terms[1:] += scores.transitions[tags[:-1], tags[1:]]
    last = last_tags(lengths)
    terms[last] += scores.end[tags[last]]
    return terms.masked_fill_(~inside, 0)
