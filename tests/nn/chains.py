"""Random chains of tags, small enough that all their sequences can be listed."""

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.nn import AllowedTags, ChainScores

examples = settings(max_examples=25)
small = given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    tags=st.integers(1, 4),
    scale=st.sampled_from([0.5, 5.0, 300.0, 1e4]),
    seed=st.integers(0, 99),
)


def draw(seed, lengths, tags, *, scale=1.0, dtype=torch.float64, padding=0):
    """Emissions, gold tags, lengths and the scores of a chain, all random."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).mul(scale).to(dtype)

    time = max(lengths) + padding
    emissions = numbers(len(lengths), time, tags)
    gold = torch.randint(tags, (len(lengths), time), generator=generator)
    scores = ChainScores(numbers(tags, tags), numbers(tags), numbers(tags))
    return emissions, gold, torch.tensor(lengths), scores


def sentences(emissions, lengths):
    return [rows[:length].tolist() for rows, length in zip(emissions, lengths.tolist(), strict=True)]


def lists(scores):
    return [score.tolist() for score in scores]


def allow(seed, tags):
    """Random constraints, with one tag that may be anywhere, as "O" in named entities."""
    generator = torch.Generator().manual_seed(seed)
    allowed = AllowedTags(
        *(torch.rand(*shape, generator=generator) < 0.5 for shape in ((tags, tags), (tags,), (tags,)))
    )
    allowed.transitions[0, 0] = allowed.begins[0] = allowed.ends[0] = True
    return allowed


def legal(path, allowed):
    if not path:
        return True
    return bool(
        allowed.begins[path[0]]
        and allowed.ends[path[-1]]
        and all(allowed.transitions[step] for step in itertools.pairwise(path))
    )
