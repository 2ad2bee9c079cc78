"""A made-up world of families and countries that changes: for the tour, for tests, and to try things out.

People are born where their parents live, marry, move and die. What the graph does not tell follows from what it does,
by rules that a model can find: see `RULES`. Whole, the world has no fact but those of the graph and those held out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from latticework.core.checks import whole_number
from latticework.core.seeds import seed_from, spawn
from latticework.knowledge.deltas import Delta
from latticework.knowledge.planted_world import World
from latticework.knowledge.triples import NamedTriple

RULES: Final = {
    "citizen of": "a person is a citizen of the country that the region of the town of birth is in",
    "married to": "marriage holds both ways",
    "child of": "a child of a parent is one whose parent that is",
    "parent of": "and the other way round",
    "member of": "spouses are of the same family, and children who have not married of that of their parents",
    "lives in": "spouses live together, and children who have not married with their parents",
    "borders": "borders have two sides",
}
HELD_OUT: Final = 0.12  # of the facts that follow from others
VALIDATION: Final = 1 / 3  # of those held out


@dataclass(frozen=True)
class Snapshot:
    """The world at a time.

    Attributes
    ----------
    facts
        What the graph tells, sorted.
    validation, test
        Facts that it does not tell and that follow from it by one of `RULES`, sorted; none is in both.
    delta
        What makes the facts of the snapshot before into these; of the first nothing.
    events
        What has happened since, a sentence each.
    born
        People who are new since, in the order of birth.
    """

    facts: tuple[NamedTriple, ...]
    validation: tuple[NamedTriple, ...]
    test: tuple[NamedTriple, ...]
    delta: Delta = field(default_factory=Delta, repr=False)
    events: tuple[str, ...] = ()
    born: tuple[str, ...] = ()


def plant(
    seed: int,
    *,
    people: int = 220,
    countries: int = 4,
    snapshots: int = 3,
    births: int = 3,
    marriages: int = 2,
    moves: int = 2,
    deaths: int = 2,
) -> tuple[Snapshot, ...]:
    """Draw a world and what becomes of it.

    Parameters
    ----------
    seed
        The same seed gives the same world.
    people
        How many live at first; there is a family for every nine of them, but at most 60.
    countries
        Each of three regions with three towns.
    snapshots
        How many times the world is looked at.
    births, marriages, moves, deaths
        How often that happens between two snapshots; less often where nobody is left whom it could. The citizenship of
        people born after the first snapshot is never told, but tested.

    Returns
    -------
    tuple of Snapshot
        By default of about 300 entities, 10 relations and 1,600 facts each.

    Raises
    ------
    InputError
        If a number is too small, or there are more than 30 countries.

    Examples
    --------
    >>> first, second, third = plant(0)
    >>> second.events[2]
    'Beth Nash, Edgar Pike and Cara Pike moved to Highwick.'
    >>> ("Cara Pike", "lives in", "Highwick") in second.delta.add
    True
    """
    people = whole_number("people", people, least=20)
    countries = whole_number("countries", countries, least=2)
    times = whole_number("snapshots", snapshots, least=1)
    happens = [
        whole_number(name, count, least=0)
        for name, count in (("births", births), ("marriages", marriages), ("moves", moves), ("deaths", deaths))
    ]
    state = seed_from(seed)
    world = World(np.random.default_rng(spawn(state, "world")), countries)
    teller = _Teller(np.random.default_rng(spawn(state, "held out")))
    world.populate(people)
    told = [teller.tell(world.facts())]
    while len(told) < times:
        events, born = world.go_on(*happens)
        told.append(teller.tell(world.facts(), events, born))
    return tuple(told)


def follows(fact: NamedTriple, facts: Iterable[NamedTriple]) -> bool:
    """Whether a fact follows from others by one of `RULES`.

    Examples
    --------
    >>> follows(("Ada", "married to", "Max"), [("Max", "married to", "Ada")])
    True
    """
    known = set(facts)
    return bool(_premises(fact, known, _ends(known)))


class _Teller:
    """Decides which facts the graph does not tell; once told, a fact stays told as long as it is true."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.told: set[NamedTriple] = set()
        self.hidden: dict[NamedTriple, bool] = {}  # whether it is for validation

    def tell(self, true: set[NamedTriple], events: Sequence[str] = (), born: Sequence[str] = ()) -> Snapshot:
        """What the graph tells of what is true now."""
        before, ends = self.told, _ends(true)
        hidden = {fact: kind for fact, kind in self.hidden.items() if fact in true}
        told, needed = true - hidden.keys(), set()
        for fact in sorted(hidden):
            premises = _premises(fact, told, ends)
            if premises:
                needed.update(premises)
            else:  # what it followed from is no more: now it has to be told
                del hidden[fact]
                told.add(fact)
        fresh = sorted(told - before)
        for number, draw in zip(self.generator.permutation(len(fresh)), self.generator.random(len(fresh)), strict=True):
            fact = fresh[number]
            asked = fact[0] in born and fact[1] == "citizen of"
            if fact not in needed and (draw < HELD_OUT or asked):
                premises = _premises(fact, told, ends)  # none of which is the fact itself
                if premises:
                    needed.update(premises)
                    told.discard(fact)
                    hidden[fact] = not asked and self.generator.random() < VALIDATION
        self.told, self.hidden = told, hidden
        return Snapshot(
            tuple(sorted(told)),
            tuple(sorted(fact for fact, validates in hidden.items() if validates)),
            tuple(sorted(fact for fact, validates in hidden.items() if not validates)),
            Delta(tuple(sorted(told - before)), tuple(sorted(before - told))) if before else Delta(),
            tuple(events),
            tuple(born),
        )


_Ends = dict[tuple[str, str], list[str]]


def _ends(facts: Iterable[NamedTriple]) -> _Ends:
    """Tails by head and relation."""
    ends: _Ends = defaultdict(list)
    for head, relation, tail in sorted(facts):
        ends[head, relation].append(tail)
    return ends


def _premises(fact: NamedTriple, facts: set[NamedTriple], ends: _Ends) -> list[NamedTriple]:
    """Facts from which a fact follows by one rule, the first that are all there; none if it does not."""
    head, relation, tail = fact
    ways: list[list[NamedTriple]] = []
    if relation in ("married to", "borders"):
        ways = [[(tail, relation, head)]]
    elif relation in ("child of", "parent of"):
        ways = [[(tail, "parent of" if relation == "child of" else "child of", head)]]
    elif relation == "citizen of":
        ways = [
            [(head, "born in", town), (town, "in", region), (region, "in", tail)]
            for town in ends.get((head, "born in"), ())
            for region in ends.get((town, "in"), ())
        ]
    elif relation in ("member of", "lives in"):
        ways = [
            [(head, link, other), (other, relation, tail)]
            for link in ("married to", "child of")
            for other in ends.get((head, link), ())
        ]
    return next((way for way in ways if facts.issuperset(way)), [])
