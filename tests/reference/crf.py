"""Lafferty, McCallum & Pereira 2001, "Conditional Random Fields", section 3, as written: a sum or a product at a time.

Messages are logarithms in Python floats. `everything` does without messages: it lists all tag sequences of a sentence.
"""

import itertools
import math


def log_sum(logarithms):
    largest = max(logarithms, default=-math.inf)
    if largest == -math.inf:
        return -math.inf
    return largest + math.log(sum(math.exp(each - largest) for each in logarithms))


def score(emissions, tags, transitions, start, end):
    """The exponent of equation 1: Σ_e λ·f(e, y|_e, x) + Σ_v μ·g(v, y|_v, x)."""
    if not tags:
        return 0.0
    total = start[tags[0]] + end[tags[-1]]
    for t, tag in enumerate(tags):
        total += emissions[t][tag]
    for before, after in itertools.pairwise(tags):
        total += transitions[before][after]
    return total


# Section 3.2: M_i(y', y | x) is exp of a step's score; α_i(x) = α_i-1(x) M_i(x); β_i(x)ᵀ = M_i+1(x) β_i+1(x)


def forward(emissions, transitions, start):
    tags = range(len(start))
    alpha = []
    for t, emission in enumerate(emissions):
        if t == 0:
            alpha.append([start[j] + emission[j] for j in tags])
        else:
            alpha.append([log_sum([alpha[-1][i] + transitions[i][j] + emission[j] for i in tags]) for j in tags])
    return alpha


def backward(emissions, transitions, end):
    tags = range(len(end))
    beta = [list(end)]
    for emission in reversed(emissions[1:]):
        beta.insert(0, [log_sum([transitions[i][j] + emission[j] + beta[0][j] for j in tags]) for i in tags])
    return beta


def log_normaliser(emissions, transitions, start, end):
    """log Z(x)."""
    if len(emissions) == 0:
        return 0.0
    return log_sum([each + last for each, last in zip(forward(emissions, transitions, start)[-1], end, strict=True)])


def negative_log_likelihood(emissions, tags, transitions, start, end):
    return log_normaliser(emissions, transitions, start, end) - score(emissions, tags, transitions, start, end)


def marginals(emissions, transitions, start, end):
    """p(Y_i = y | x) = α_i(y | x) β_i(y | x) / Z(x)."""
    if len(emissions) == 0:
        return []
    log_z = log_normaliser(emissions, transitions, start, end)
    messages = zip(forward(emissions, transitions, start), backward(emissions, transitions, end), strict=True)
    return [[math.exp(a + b - log_z) for a, b in zip(alpha, beta, strict=True)] for alpha, beta in messages]


def everything(emissions, transitions, start, end):
    """All tag sequences with their scores."""
    return {
        tags: score(emissions, tags, transitions, start, end)
        for tags in itertools.product(range(len(start)), repeat=len(emissions))
    }


def probabilities(scores):
    """exp(score) / Z of all sequences."""
    log_z = log_sum(list(scores.values()))
    return {tags: math.exp(each - log_z) for tags, each in scores.items()}
