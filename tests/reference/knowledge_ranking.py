"""Filtered ranks, literally: every candidate is scored by itself and compared with the true answer in a Python loop."""

from __future__ import annotations

import torch


def score(entities, relations, h, r, t, p):
    """The translation score of one triple."""
    return float(torch.linalg.vector_norm(entities[h] + relations[r] - entities[t], ord=p))


def filtered_counts(entities, relations, triples, known, p, present=None):
    """For each triple and side (head, tail): how many candidates are better, how many equal, how many there are."""
    known = set(known)
    candidates = [e for e in range(len(entities)) if present is None or present[e]]
    result = []
    for h, r, t in triples:
        true = score(entities, relations, h, r, t, p)
        sides = []
        for place, answer in (("head", h), ("tail", t)):
            better = equal = 0
            count = 1
            for e in candidates:
                triple = (e, r, t) if place == "head" else (h, r, e)
                if e == answer or triple in known:
                    continue
                count += 1
                other = score(entities, relations, *triple, p)
                better += other < true
                equal += other == true
            sides.append((better, equal, count))
        result.append(sides)
    return result
