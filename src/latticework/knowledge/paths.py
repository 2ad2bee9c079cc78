"""The paths beside the triples of each relation, and how many triples support each: the contexts of relations.

For a triple (h, r, t) a path leads from h to t along one other relation, or along two through any entity between. What
belongs to the context of r is a set; the counts of its supports are kept so that removals are exact: a path is gone
when its last support is.

With T(A, B, C) for the triangles whose side h-t is of A, h-m of B and m-t of C, an update from the triples S to
S' = S + D costs what meets D:

    T(S', S', S') - T(S, S, S) = T(D, S', S') + T(S, D, S') + T(S, S, D)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from jaxtyping import Int64, UInt64

from latticework.core.errors import InputError
from latticework.knowledge.adjacency import Links
from latticework.knowledge.keys import places_of, starts_of_runs
from latticework.knowledge.names import Names
from latticework.knowledge.ragged import CHUNK, chunks, ranges
from latticework.knowledge.rows import common
from latticework.knowledge.splitmix64 import mix

NO_RELATION: Final = -1  # in the place of the second relation of a path that has one only
_MOST_RELATIONS: Final = 2**21  # below which a relation and its path fit one 64-bit key

Paths = Int64[np.ndarray, "_ 3"]  # as `PathCounts.paths`


@dataclass(frozen=True, eq=False)
class PathCounts:
    """How often each path stands beside each relation, in the order of relation, first and second of the path.

    Examples
    --------
    >>> from latticework.knowledge.graph import Graph
    >>> graph = Graph.of([("Ann", "mother", "Bea"), ("Bea", "mother", "Cid"), ("Ann", "grandmother", "Cid")])
    >>> links = {"entities": 3, "relations": 2}
    >>> counts = PathCounts.of(Links.out_of(graph.triples, **links), Links.into(graph.triples, **links))
    >>> counts.paths.tolist(), counts.counts.tolist()  # beside a grandmother stand a mother and a mother
    ([[1, 0, 0]], [1])
    """

    paths: Int64[np.ndarray, "paths 3"]  # relation, first relation of the path, second or NO_RELATION
    counts: Int64[np.ndarray, " paths"]

    @classmethod
    def of(cls, out: Links, into: Links) -> PathCounts:
        """The counts of a graph; it takes as many look-ups as `common` says and memory for some `CHUNK` of them."""
        if out.relation_count >= _MOST_RELATIONS:
            raise InputError(f"expected fewer than {_MOST_RELATIONS:,} relations, got {out.relation_count:,}")
        singles = _parallel(out, np.arange(len(out.first) - 1))
        supports = chain(singles, _triangles(out, out, into))
        keys, counts = _tally((_coded(rows, out.relation_count), 1) for rows in supports)
        return cls(_decoded(keys, out.relation_count), counts)

    def updated(
        self, *, before: tuple[Links, Links], after: tuple[Links, Links], added: Links, removed: Links
    ) -> tuple[PathCounts, Paths, Paths]:
        """The counts after a change, the paths that have their first support, and those that lost their last.

        Parameters
        ----------
        before, after
            The links out of and into entities; all have room for the same entities and relations.
        added, removed
            The links out of entities that came and went.
        """
        relations = added.relation_count
        (old_out, old_into), (new_out, new_into) = before, after

        def changes() -> Iterator[tuple[Int64[np.ndarray, " n"], int]]:
            touched = np.union1d(added.ends.keys, removed.ends.keys)
            for links, sign in ((old_out, -1), (new_out, 1)):
                owners = touched // links.ends.width
                cells = links.ends.find(owners, touched - owners * links.ends.width)
                for rows in _parallel(links, cells[cells >= 0]):
                    yield _coded(rows, relations), sign
            for links, sign in ((added, 1), (removed, -1)):
                for rows in _triangles(links, new_out, new_into):
                    yield _coded(rows, relations), sign
                for rows in _triangles(links, old_out, new_out):
                    yield _coded(rows[:, [1, 0, 2]], relations), sign
                for rows in _triangles(links, old_into, old_into):
                    yield _coded(rows[:, [2, 1, 0]], relations), sign

        old, (changed, differences) = _coded(self.paths, relations), _tally(changes())
        place = places_of(changed, old)
        known = np.flatnonzero(place >= 0)
        counts = self.counts.copy()
        counts[place[known]] += differences[known]
        stays = counts != 0
        appeared = np.delete(changed, known)
        where = np.searchsorted(old[stays], appeared)
        paths = np.insert(self.paths[stays], where, _decoded(appeared, relations), axis=0)
        counts = np.insert(counts[stays], where, np.delete(differences, known))
        return PathCounts(paths, counts), _decoded(appeared, relations), self.paths[~stays]

    def smallest(self, wanted: Int64[np.ndarray, " wanted"], relations: Names, most: int) -> Paths:
        """The paths of the wanted relations (ascending), of each the so many of smallest digest, in that order."""
        begin, end = np.searchsorted(self.paths[:, 0], wanted), np.searchsorted(self.paths[:, 0], wanted, "right")
        lengths = end - begin
        paths = self.paths[ranges(begin, lengths)]
        paths = paths[np.lexsort((path_digests(paths[:, 1:], relations.digests()), paths[:, 0]))]
        smallest: Paths = paths[ranges(np.zeros_like(lengths), lengths) < most]
        return smallest


def path_digests(
    paths: Int64[np.ndarray, "paths 2"], digests: UInt64[np.ndarray, " relations"]
) -> UInt64[np.ndarray, " paths"]:
    """One digest for each path, of the digests of its relations in their order.

    Examples
    --------
    >>> digests = np.array([3, 4], dtype=np.uint64)
    >>> len(set(path_digests(np.array([[0, -1], [1, -1], [0, 1], [1, 0]]), digests).tolist()))
    4
    """
    first, second = paths.T
    result = mix(digests[first])
    two = second != NO_RELATION
    result[two] = mix(result[two] + digests[second[two]])
    return result


def _triangles(links: Links, left: Links, right: Links) -> Iterator[Paths]:
    """The relations of the three sides of every triangle, of `links`, `left` and `right`.

    Of a link from x to y, the left side is from x in `left` and the right one from y in `right`, to the same entity.
    """
    for which, on_left, on_right in common(left.ends, links.ends.owners, right.ends, links.ends.columns):
        sides = ((links, which), (left, on_left), (right, on_right))
        starts = [side.first[cell] for side, cell in sides]
        one, two, three = (side.first[cell + 1] - start for (side, cell), start in zip(sides, starts, strict=True))
        for chunk in chunks(one * two * three):
            lengths = (one * two * three)[chunk]
            triangle = np.repeat(np.arange(chunk.start, chunk.stop), lengths)
            rest, third = np.divmod(ranges(np.zeros_like(lengths), lengths), three[triangle])
            first, second = np.divmod(rest, two[triangle])
            picks = zip(sides, starts, (first, second, third), strict=True)
            yield np.stack([side.relations[start[triangle] + pick] for (side, _), start, pick in picks], axis=1)


def _parallel(links: Links, cells: Int64[np.ndarray, " cells"]) -> Iterator[Paths]:
    """Every two different relations of the same link, as a relation and a path."""
    starts = links.first[cells]
    lengths = links.first[cells + 1] - starts
    several = lengths > 1
    starts, lengths = starts[several], lengths[several]
    for chunk in chunks(lengths**2):
        squares = lengths[chunk] ** 2
        link = np.repeat(np.arange(chunk.start, chunk.stop), squares)
        first, second = np.divmod(ranges(np.zeros_like(squares), squares), lengths[link])
        two = first != second
        link = starts[link[two]]
        relation, path = links.relations[link + first[two]], links.relations[link + second[two]]
        yield np.stack([relation, path, np.full_like(path, NO_RELATION)], axis=1)


def _coded(paths: Paths, relations: int) -> Int64[np.ndarray, " paths"]:
    keys: Int64[np.ndarray, " paths"] = (paths[:, 0] * relations + paths[:, 1]) * (relations + 1) + paths[:, 2] + 1
    return keys


def _decoded(keys: Int64[np.ndarray, " paths"], relations: int) -> Paths:
    rest, second = np.divmod(keys, relations + 1)
    relation, first = np.divmod(rest, max(relations, 1))
    return np.stack([relation, first, second - 1], axis=1)


def _tally(
    pieces: Iterable[tuple[Int64[np.ndarray, " n"], int]],
) -> tuple[Int64[np.ndarray, " keys"], Int64[np.ndarray, " keys"]]:
    """How often each key is there, each piece with its sign; without those that cancel out."""
    keys, counts = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    waiting: list[tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]] = []
    for piece, sign in pieces:
        distinct, times = np.unique(piece, return_counts=True)
        waiting.append((distinct, sign * times))
        if sum(len(one) for one, _ in waiting) > max(CHUNK, len(keys)):
            keys, counts = _summed(*map(np.concatenate, zip((keys, counts), *waiting, strict=True)))
            waiting = []
    return _summed(*map(np.concatenate, zip((keys, counts), *waiting, strict=True)))


def _summed(
    keys: Int64[np.ndarray, " n"], counts: Int64[np.ndarray, " n"]
) -> tuple[Int64[np.ndarray, " keys"], Int64[np.ndarray, " keys"]]:
    """The distinct keys in ascending order with the sums of their counts, without those that are zero."""
    if not len(keys):
        return keys, counts
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    new = starts_of_runs(keys)
    sums = np.add.reduceat(counts, np.flatnonzero(new))
    return keys[new][sums != 0], sums[sums != 0]
