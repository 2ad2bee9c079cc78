"""PatchCore's image score, equations 6 and 7, one distance at a time."""

import math

import numpy as np


def distance(left, right):
    return math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(left, right, strict=True)))


def image_score(bank, patches, support):
    worst, s_star, m_star = None, -1.0, None
    for patch in patches:
        to_entries = [distance(patch, entry) for entry in bank]
        nearest = int(np.argmin(to_entries))
        if to_entries[nearest] > s_star:
            worst, s_star, m_star = patch, to_entries[nearest], nearest
    from_star = [distance(bank[m_star], entry) for entry in bank]
    around = np.argsort(from_star, kind="stable")[:support]
    total = sum(math.exp(distance(worst, bank[m])) for m in around)
    return (1 - math.exp(s_star) / total) * s_star
