"""FLAT, sections 2 and 3 of Li et al. 2020, one sentence, two tokens and one equation at a time.

Parameters are those of `latticework.ner.flat.FlatEncoder`. Words attend too, though nobody reads what comes of it.
"""

import math

import torch
from torch.nn.functional import layer_norm


def flat(parameters, characters, words, arcs, *, heads):
    """States of the characters; `arcs` are (begin, end) with `end` exclusive, in the order of `words`."""
    p = parameters
    E = [p["from_characters.weight"] @ x + p["from_characters.bias"] for x in characters]
    E += [p["from_words.weight"] @ w + p["from_words.bias"] for w in words]
    head = [*range(len(characters)), *(begin for begin, _ in arcs)]
    tail = [*range(len(characters)), *(end - 1 for _, end in arcs)]
    size = p["attention.relative_key"].shape[0]
    width = size // heads

    def q(i, h):
        return (p["attention.query.weight"] @ E[i] + p["attention.query.bias"])[h * width : (h + 1) * width]

    def k(j, h):
        return (p["attention.key.weight"] @ E[j] + p["attention.key.bias"])[h * width : (h + 1) * width]

    def value(j, h):
        return (p["attention.value.weight"] @ E[j] + p["attention.value.bias"])[h * width : (h + 1) * width]

    def R(i, j):
        # the four distances
        hh, ht = head[i] - head[j], head[i] - tail[j]
        th, tt = tail[i] - head[j], tail[i] - tail[j]
        # of them one vector
        waves = torch.cat([sinusoid(distance, size) for distance in (hh, th, ht, tt)])
        return torch.relu(p["attention.distances.weight"] @ waves.to(E[0]) + p["attention.distances.bias"])

    states = []
    for i in range(len(E)):
        attended = []
        for h in range(heads):
            u, v = p["attention.content_bias"][h], p["attention.position_bias"][h]
            scores = []
            for j in range(len(E)):
                r = p["attention.relative_key"][h * width : (h + 1) * width] @ R(i, j)
                # A*, in place of the usual scores
                scores.append(q(i, h) @ k(j, h) + q(i, h) @ r + u @ k(j, h) + v @ r)
            alpha = torch.softmax(torch.stack(scores), 0)
            attended.append(sum(alpha[j] * value(j, h) for j in range(len(E))))
        state = norm(p, "attention_residual", E[i] + torch.cat(attended))
        hidden = torch.relu(p["feed_forward.expand.weight"] @ state + p["feed_forward.expand.bias"])
        added = p["feed_forward.contract.weight"] @ hidden + p["feed_forward.contract.bias"]
        states.append(norm(p, "feed_forward_residual", state + added))
    return states[: len(characters)]


def sinusoid(distance, size):
    """Sines and cosines of a distance, which may be negative."""
    waves = []
    for k in range(size // 2):
        angle = distance / 10_000 ** (2 * k / size)
        waves += [math.sin(angle), math.cos(angle)]
    return torch.tensor(waves, dtype=torch.float32)  # as `latticework.nn.sinusoids` gives them, in float64 models too


def norm(parameters, name, state):
    return layer_norm(state, state.shape, parameters[f"{name}.norm.weight"], parameters[f"{name}.norm.bias"], eps=1e-6)
