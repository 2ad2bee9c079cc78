"""The contexts of a knowledge graph by brute force over sets of names: spec section 1, read literally.

Slow on purpose. The digests are those of the spec of the contexts: eight bytes of BLAKE2b, and splitmix64 for paths.
"""

from collections import Counter
from hashlib import blake2b
from itertools import product

MASK = 2**64 - 1


def digest(name):
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def mixed(value):
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def path_digest(path):
    first = mixed(digest(path[0]))
    return first if len(path) == 1 else mixed((first + digest(path[1])) & MASK)


def neighbours(triples):
    """Of each entity the set of its neighbours."""
    result = {end: set() for head, _, tail in triples for end in (head, tail)}
    for head, _, tail in triples:
        if head != tail:
            result[head].add(tail)
            result[tail].add(head)
    return result


def path_counts(triples):
    """Of each relation how many (triple, entity between) support each path, as tuples of one or two relations."""
    counts = {relation: Counter() for _, relation, _ in triples}
    for (head, relation, tail), (start, other, end) in product(triples, triples):
        if (start, end) == (head, tail) and other != relation:
            counts[relation][(other,)] += 1
        if start == head:
            for middle, second, last in triples:
                if middle == end and last == tail:
                    counts[relation][(other, second)] += 1
    return counts


def kept(elements, most, key):
    return sorted(elements, key=key)[:most]


def entity_contexts(triples, most):
    """Of each entity the neighbours it keeps, and the edges (i, j) between them."""
    context = {entity: kept(around, most, digest) for entity, around in neighbours(triples).items()}
    edges = {
        entity: [(i, j) for i, x in enumerate(row) for j, y in enumerate(row) if i != j and y in context[x]]
        for entity, row in context.items()
    }
    return context, edges


def relation_contexts(triples, most):
    """Of each relation the paths it keeps, and the edges (i, j) between them."""
    context = {relation: kept(paths, most, path_digest) for relation, paths in path_counts(triples).items()}
    edges = {
        relation: [
            (i, j)
            for i, path in enumerate(row)
            for j, other in enumerate(row)
            if i != j and len(path) == 1 and other in context[path[0]]
        ]
        for relation, row in context.items()
    }
    return context, edges


def subgraph(entity, triples, around):
    """The triples among an entity and its neighbours, without the self-loops of others."""
    nodes = {entity} | around.get(entity, set())
    return {(h, r, t) for h, r, t in triples if {h, t} <= nodes and (h != t or h == entity)}


def affected_entities(rule, before, after):
    """The entities, in a triple before and after, that a rule takes; by comparing the two graphs entity by entity."""
    old, new = neighbours(before), neighbours(after)
    both = set(old) & set(new)
    if rule == "entity":
        return {entity for entity in both if new[entity] - set(old) or old[entity] - set(new)}
    if rule == "neighbours":
        return {entity for entity in both if old[entity] != new[entity]}
    return {entity for entity in both if subgraph(entity, before, old) != subgraph(entity, after, new)}


def affected_relations(rule, before, after):
    """The relations, in a triple before and after, that a rule takes."""
    old, new = path_counts(before), path_counts(after)
    both = set(old) & set(new)
    if rule != "entity":
        return {relation for relation in both if set(old[relation]) != set(new[relation])}
    appeared, gone = set(new) - set(old), set(old) - set(new)
    return {
        relation
        for relation in both
        if any(set(path) & appeared for path in set(new[relation]) - set(old[relation]))
        or any(set(path) & gone for path in set(old[relation]) - set(new[relation]))
    }
