"""Negatives: false triples to compare each true one with, made by replacing its head or its tail.

Which end is replaced follows Wang et al. 2014 (TransH): with tph the mean number of tails of a head and hpt that of
heads of a tail, among the triples of one relation, it is the head with probability tph / (tph + hpt). So a negative is
less often a true triple that is missing.

Draws come from a counter, the splitmix64 generator (Steele et al. 2014): a negative depends on the seed, on the number
of its example and on its place among the negatives, not on the batch, the process or the order it is drawn in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt64

from latticework.core.checks import one_of
from latticework.knowledge.keys import distinct
from latticework.knowledge.known_triples import KnownTriples, Lists
from latticework.knowledge.splitmix64 import STEP, output
from latticework.knowledge.triples import SIDES

Rule = Literal["bernoulli", "uniform", "reference"]
_ATTEMPTS: Final = 8  # after that the entity is drawn among those that are left
_DRAWS: Final = _ATTEMPTS + 2  # of a negative: the side, the attempts, the last resort
_BLOCK: Final = 2**14  # negatives that are made in one go: their draws stay in the cache


def head_rates(
    triples: Int64[np.ndarray, "triples 3"], relations: int, *, rule: Rule = "bernoulli"
) -> Float64[np.ndarray, " relations"]:
    """How often the head is replaced, for each relation.

    Parameters
    ----------
    triples
        All that are true, as far as known.
    relations
        How many relations there are. Those without a triple get 1/2.
    rule
        "bernoulli" is TransH's; "uniform" gives 1/2 to all; "reference" does as the published code of DKGE does, which
        counts over all relations at once and replaces the head with hpt / (tph + hpt).

    Raises
    ------
    InputError
        If there is no such rule.

    Examples
    --------
    >>> two_tails = np.array([[0, 0, 1], [0, 0, 2]])
    >>> head_rates(two_tails, 2).tolist(), head_rates(two_tails, 1, rule="reference").tolist()
    ([0.6666666666666666, 0.5], [0.3333333333333333])
    """
    one_of("rule", rule, get_args(Rule))
    if rule == "uniform" or not len(triples):
        return np.full(relations, 0.5)
    if rule == "reference":
        # tph = triples / heads and hpt = triples / tails, so that the triples cancel out.
        distinct_heads, distinct_tails = (len(distinct(triples[:, column])) for column in (0, 2))
        return np.full(relations, distinct_heads / (distinct_heads + distinct_tails))
    tph, hpt = answers_per_question(triples, relations)
    rates: Float64[np.ndarray, " relations"] = np.where(tph > 0, tph / np.maximum(tph + hpt, 1), 0.5)
    return rates


def answers_per_question(
    triples: Int64[np.ndarray, "triples 3"], relations: int
) -> tuple[Float64[np.ndarray, " relations"], Float64[np.ndarray, " relations"]]:
    """For each relation the mean number of tails of a head (tph) and that of heads of a tail (hpt); 0 without triples.

    Examples
    --------
    >>> answers_per_question(np.array([[0, 0, 1], [0, 0, 2]]), 2)
    (array([2., 0.]), array([1., 0.]))
    """
    heads, kinds, tails = triples.T
    counts = np.bincount(kinds, minlength=relations)
    with_heads, with_tails = (
        np.bincount(distinct(ends * relations + kinds) % relations, minlength=relations) for ends in (heads, tails)
    )
    return counts / np.maximum(with_heads, 1), counts / np.maximum(with_tails, 1)


@dataclass(frozen=True, eq=False)
class Sampler:
    """Makes negatives; `Sampler.of` takes what is known from the triples alone.

    Parameters
    ----------
    known
        What no negative may be.
    entities
        The numbers of the entities that are in the graph, ascending: one of them replaces an end.
    head_rates
        How often the head is replaced, for each relation.
    seed
        Another seed gives other negatives.

    Examples
    --------
    >>> triples = np.array([[0, 0, 1], [0, 0, 2]])
    >>> sampler = Sampler.of(triples, entities=3, relations=1)
    >>> negatives = sampler.corrupt(triples, np.array([0, 1]), negatives=4)
    >>> negatives.shape, sampler.known.contains(negatives.reshape(-1, 3)).any()
    ((2, 4, 3), np.False_)
    """

    known: KnownTriples
    entities: Int64[np.ndarray, " present"]
    head_rates: Float64[np.ndarray, " relations"]
    seed: int = 0

    @staticmethod
    def of(
        triples: Int64[np.ndarray, "triples 3"],
        *,
        entities: int,
        relations: int,
        present: Bool[np.ndarray, " entities"] | None = None,
        rule: Rule = "bernoulli",
        seed: int = 0,
    ) -> Sampler:
        """The sampler for a graph with these triples, none of which is ever a negative.

        Parameters
        ----------
        triples
            Those to train on.
        entities, relations
            How many there are.
        present
            The entities to draw from; all, without it.
        rule, seed
            As in `head_rates` and the class.

        Examples
        --------
        >>> Sampler.of(np.array([[0, 0, 1]]), entities=4, relations=1, rule="uniform").head_rates
        array([0.5])
        """
        known = KnownTriples.of(triples, entities=entities, relations=relations)
        drawn = np.arange(entities) if present is None else np.flatnonzero(present)
        return Sampler(known, drawn, head_rates(triples, relations, rule=rule), seed)

    def corrupt(
        self,
        triples: Int64[np.ndarray, "batch 3"],
        numbers: UInt64[np.ndarray, " batch"] | Int64[np.ndarray, " batch"],
        *,
        negatives: int = 1,
    ) -> Int64[np.ndarray, "batch negatives 3"]:
        """Negatives of each triple: uniform among all that are not known, given which end is replaced.

        Where no entity is left to replace an end with, the other end is replaced; a triple that every head and every
        tail makes a known one of has no negative and stands for itself, so that a margin between the two teaches
        nothing. O(batch · negatives), and O(known answers) for a negative that was known eight times over, which is
        then drawn among the entities that are left.

        Parameters
        ----------
        triples
            Known ones.
        numbers
            Of each example one that it has to itself, such as epoch · triples + place.
        negatives
            How many to make of each.

        Examples
        --------
        >>> sampler = Sampler.of(np.array([[0, 0, 0], [0, 0, 1], [1, 0, 1]]), entities=2, relations=1)
        >>> sampler.corrupt(np.array([[0, 0, 0]]), np.array([7]))  # (0, 0, 1) is true, so that its head is replaced
        array([[[1, 0, 0]]])
        """
        triples = np.asarray(triples, dtype=np.int64)
        start = output(np.array([self.seed % 2**64], dtype=np.uint64))
        states = output(np.asarray(numbers).astype(np.uint64) * STEP + start)
        made = np.empty((len(triples), negatives, 3), dtype=np.int64)
        size = max(1, _BLOCK // max(1, negatives))
        for begin in range(0, len(triples), size):
            block = slice(begin, begin + size)
            self._corrupt(triples[block], states[block], made[block])
        return made

    def _corrupt(
        self,
        triples: Int64[np.ndarray, "batch 3"],
        states: UInt64[np.ndarray, " batch"],
        made: Int64[np.ndarray, "batch negatives 3"],
    ) -> None:
        """Fill `made`."""
        negatives = made.shape[1]
        counters = states[:, None] + np.arange(1, negatives * _DRAWS, _DRAWS, dtype=np.uint64) * STEP
        counters = counters.reshape(-1)
        heads, relations, tails = np.repeat(triples, negatives, axis=0).T
        head_replaced = _fractions(counters) < self.head_rates[relations]
        drawn = self._drawn(counters, 1)
        open_ = np.flatnonzero(self._is_known(heads, relations, tails, head_replaced, drawn))
        for attempt in range(2, _ATTEMPTS + 1):
            if not len(open_):
                break
            again = self._drawn(counters[open_], attempt)
            drawn[open_] = again
            ends = heads[open_], relations[open_], tails[open_]
            open_ = open_[self._is_known(*ends, head_replaced[open_], again)]
        if len(open_):
            ends = heads[open_], relations[open_], tails[open_]
            fractions = _fractions(counters[open_] + _steps(_ATTEMPTS + 1))
            replaced, found = self._among_the_rest(*ends, head_replaced[open_], fractions)
            none = found < 0
            head_replaced[open_], drawn[open_] = replaced & ~none, np.where(none, ends[2], found)
        flat = made.reshape(-1, 3)
        flat[:, 0] = np.where(head_replaced, drawn, heads)
        flat[:, 1] = relations
        flat[:, 2] = np.where(head_replaced, tails, drawn)

    def _drawn(self, counters: UInt64[np.ndarray, " n"], attempt: int) -> Int64[np.ndarray, " n"]:
        fractions = _fractions(counters + _steps(attempt))
        drawn: Int64[np.ndarray, " n"] = self.entities[(fractions * len(self.entities)).astype(np.int64)]
        return drawn

    def _is_known(
        self,
        heads: Int64[np.ndarray, " n"],
        relations: Int64[np.ndarray, " n"],
        tails: Int64[np.ndarray, " n"],
        head_replaced: Bool[np.ndarray, " n"],
        drawn: Int64[np.ndarray, " n"],
    ) -> Bool[np.ndarray, " n"]:
        keys = np.where(head_replaced, drawn, heads)
        keys *= self.known.relations
        keys += relations
        keys *= self.known.entities
        keys += np.where(head_replaced, tails, drawn)
        return self.known.contains_keys(keys)

    def _among_the_rest(
        self,
        heads: Int64[np.ndarray, " n"],
        relations: Int64[np.ndarray, " n"],
        tails: Int64[np.ndarray, " n"],
        head_replaced: Bool[np.ndarray, " n"],
        fractions: Float64[np.ndarray, " n"],
    ) -> tuple[Bool[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """Whether the head is replaced in the end, and by which entity; -1 if there is none for either end."""
        replaced, found = head_replaced.copy(), np.full(len(heads), -1)
        for flip in (False, True):
            for side in SIDES:
                at_head = side == "head"
                rows = np.flatnonzero((found < 0) & (head_replaced == (at_head ^ flip)))
                asked = self.known.questions(side, (tails if at_head else heads)[rows], relations[rows])
                found[rows] = self._outside(asked.answers, asked.question, fractions[rows])
                replaced[rows] = at_head
        return replaced, found

    def _outside(
        self, lists: Lists, question: Int64[np.ndarray, " n"], fractions: Float64[np.ndarray, " n"]
    ) -> Int64[np.ndarray, " n"]:
        """The entity at each fraction of those that are not in the list of a question; -1 if all are in it."""
        places = np.searchsorted(self.entities, lists.members)
        there = self.entities[np.minimum(places, len(self.entities) - 1)] == lists.members
        rows, places = lists.rows[there], places[there]
        counts = np.bincount(rows, minlength=len(lists.counts))
        firsts = counts.cumsum() - counts
        left = len(self.entities) - counts
        wanted = (fractions * left[question]).astype(np.int64)
        # Before a member stand as many others as its place says, less the members before it.
        others_before = places - (np.arange(len(rows)) - firsts[rows])
        width = len(self.entities) + 1
        through = np.searchsorted(rows * width + others_before, question * width + wanted, side="right")
        found = self.entities[np.minimum(wanted + through - firsts[question], len(self.entities) - 1)]
        result: Int64[np.ndarray, " n"] = np.where(left[question] > 0, found, -1)
        return result


def _steps(count: int) -> np.uint64:
    return np.uint64(count * int(STEP) % 2**64)


def _fractions(counters: UInt64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Draws from [0, 1) with 52 bits: times a whole number below 2^52 they never round up to it."""
    fractions: Float64[np.ndarray, " n"] = (output(counters) >> np.uint64(12)).view(np.int64) * 2.0**-52
    return fractions
