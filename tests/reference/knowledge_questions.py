"""Path questions by brute force over sets of names: spec of the second task, read literally. Slow on purpose."""

import math
from itertools import pairwise, product

BACK = "~"


def step(triples, place, relation):
    """All that one relation leads to, "~" from tail to head."""
    if relation.startswith(BACK):
        return {head for head, kind, tail in triples if kind == relation[1:] and tail == place}
    return {tail for head, kind, tail in triples if kind == relation and head == place}


def reached(triples, anchor, path):
    places = {anchor}
    for relation in path:
        places = set().union(*(step(triples, place, relation) for place in places))
    return places


def undone(path):
    """Whether a relation is followed back right after it was followed."""
    pairs = pairwise(path)
    return any(second in (BACK + first, first.removeprefix(BACK)) and second != first for first, second in pairs)


def all_questions(triples, hops, most_answers):
    """Every question that may be asked, with its answers."""
    found = {}
    frontier = {(place, ()) for head, _, tail in triples for place in (head, tail)}
    kinds = {kind for _, kind, _ in triples}
    for _ in range(hops):
        frontier = {
            (anchor, (*path, sign + kind)) for anchor, path in frontier for kind in kinds for sign in ("", BACK)
        }
    for anchor, path in frontier:
        answers = reached(triples, anchor, path)
        if answers and not undone(path) and len(answers) <= most_answers and answers != {anchor}:
            found[anchor, path] = answers
    return found


def distance(entities, relations, anchor, path, answer, norm):
    apart = []
    for column, value in enumerate(entities[anchor]):
        for relation in path:
            back = relation.startswith(BACK)
            value += (-1 if back else 1) * relations[relation[1:] if back else relation][column]
        apart.append(abs(value - entities[answer][column]))
    return sum(apart) if norm == 1 else math.sqrt(sum(each**2 for each in apart))


def best_way(entities, relations, anchor, path, answer, norm):
    """The best of all ways over any entities: the root of the sum of the squares of its hops."""
    ways = product(*([entities] * (len(path) - 1)))
    return min(
        math.hypot(*(distance(entities, relations, start, [relation], end, norm) for start, relation, end in hops))
        for hops in (zip([anchor, *way], path, [*way, answer], strict=True) for way in ways)
    )


def rank(costs, answers, answer):
    """The realistic rank of an answer among all that costs name and that are no other answers."""
    others = [cost for name, cost in costs.items() if name not in answers]
    better = sum(cost < costs[answer] for cost in others)
    return 1 + better + sum(cost == costs[answer] for cost in others) / 2
