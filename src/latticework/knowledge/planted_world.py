"""People and places of the made-up world, and what happens there: births, marriages, moves, deaths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, TypeVar

import numpy as np

from latticework.core.errors import InputError
from latticework.knowledge.triples import NamedTriple

Thing = TypeVar("Thing")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LANDS: Final = ("Ar", "Bel", "Cor", "Dun", "Est", "Fal", "Gar", "Hel", "Is", "Kel", "Lor", "Mor", "Nor", "Or", "Pel")
COUNTRY_ENDS: Final = ("land", "mark", "ovia", "onia")
REGION_ENDS: Final = ("shire", "dale", "moor", "wold", "fen", "vale")
PLACES: Final = _words(
    "Amber Ash Birch Black Bright Cold Copper Deep Elm Fox Green Hare High Lake Long Mill Oak Raven Red River Silver "
    "Stone Summer Swan Thorn West White Winter"
)
PLACE_ENDS: Final = ("ford", "ton", "bury", "field", "bridge", "mouth", "wick", "stead", "haven", "worth")
SURNAMES: Final = _words(
    "Abbott Archer Baker Barlow Bell Bishop Brook Carter Chandler Clay Cole Cooper Dale Draper Ellis Fisher Fletcher "
    "Foster Frost Gardner Grove Hale Harper Hayes Hill Hunter Keller Knight Lane Marsh Mason Mercer Miller Moss Nash "
    "Page Parker Pike Porter Quill Reed Rowe Sawyer Shaw Skinner Slater Stark Stone Tanner Thorne Turner Tyler Vale "
    "Wade Walker Ward Weaver Webb West Winter"
)
GIVEN: Final = _words(
    "Ada Adam Agnes Alan Alice Anna Arthur Basil Beth Boris Cara Cecil Clara Daniel Dora Edgar Edith Elias Ella Emma "
    "Eric Eva Felix Flora Frank Grace Greta Henry Hugo Ida Ines Iris Ivan Jack Jane John Julia Karl Kate Laura Leo "
    "Lily Louis Lucy Mara Mark Martha Max Mia Nora Oscar Otto Paul Rosa Ruth Simon Sofia Thomas Vera Victor Walter"
)
MOST_CHILDREN: Final = 4  # of a couple


@dataclass(eq=False)
class Person:
    """Somebody who lives."""

    name: str
    generation: int
    born_in: str
    lives_in: str
    family: str  # its surname
    parents: list[Person] = field(default_factory=list)
    children: list[Person] = field(default_factory=list)
    spouse: Person | None = None
    married: bool = False  # now or before

    @property
    def household(self) -> list[Person]:
        """Those who live together: a couple, and children who have not married."""
        couple = [self, self.spouse] if self.spouse else [self]
        return [*couple, *(child for child in self.children if not child.married)]


class World:
    """Places that stay, and people."""

    def __init__(self, generator: np.random.Generator, countries: int) -> None:
        if 3 * countries > len(LANDS) * len(REGION_ENDS):
            raise InputError(f"countries={countries}: there are names for {len(LANDS) * len(REGION_ENDS) // 3}")
        self.generator = generator
        lands = self.names(LANDS, COUNTRY_ENDS)[:countries]
        regions = self.names(LANDS, REGION_ENDS)[: 3 * countries]
        self.towns = self.names(PLACES, PLACE_ENDS)[: 9 * countries]
        self.country = {town: lands[number // 9] for number, town in enumerate(self.towns)}
        self.geography = [(town, "in", regions[number // 3]) for number, town in enumerate(self.towns)]
        for number, land in enumerate(lands):
            own = regions[3 * number : 3 * number + 3]
            self.geography += [(region, "in", land) for region in own]
            self.geography += [(one, "borders", other) for one in own for other in own if one != other]
            beside = lands[(number + 1) % len(lands)]
            self.geography += [(land, "borders", beside), (beside, "borders", land)]
            self.geography.append((self.towns[9 * number], "capital of", land))
        self.people: list[Person] = []
        self.used: set[str] = set()  # names, of the dead too

    def populate(self, count: int) -> None:
        """Found families, and let people marry and have children until there are so many."""
        for family in self.names(SURNAMES, ("",))[: max(3, count // 9)]:
            town, other = self.pick(self.towns), self.pick(SURNAMES)
            first, second = (self.add(name, 0, self.pick(self.towns), town, family) for name in (family, other))
            self.join(first, second)
        while len(self.people) < count:
            if self.generator.random() > 0.2 or not self.marry():
                self.bear() or self.marry()

    def go_on(self, births: int, marriages: int, moves: int, deaths: int) -> tuple[list[str], list[str]]:
        """Let things happen: what has, and who was born."""
        dead = [self.die() for _ in range(deaths)]
        moved = [self.move() for _ in range(moves)]
        married = [self.marry() for _ in range(marriages)]
        born = [child for child in (self.bear() for _ in range(births)) if child]
        events = [
            *(f"{person.name} died." for person in dead if person),
            *(f"{_and(household)} moved to {household[0].lives_in}." for household in moved if household),
            *(f"{_and(couple)} married and live in {couple[0].lives_in}." for couple in married if couple),
            *(f"{child.name} was born in {child.born_in} to {_and(child.parents)}." for child in born),
        ]
        return events, [child.name for child in born]

    def bear(self) -> Person | None:
        """A child of some couple."""
        couples = [person for person in self.people if person.spouse and len(person.children) < MOST_CHILDREN]
        if not couples:
            return None
        parent = self.pick(couples)
        assert parent.spouse is not None
        town, generation = parent.lives_in, parent.generation + 1
        child = self.add(parent.family, generation, town, town, parent.family)
        child.parents = [parent, parent.spouse]
        for each in child.parents:
            each.children.append(child)
        return child

    def marry(self) -> list[Person] | None:
        """Two people of different families and of one generation marry; the second moves in with the first."""
        single = [person for person in self.people if not person.married]
        for number in self.generator.permutation(len(single)):
            first = single[number]
            others = [each for each in single if each.family != first.family and each.generation == first.generation]
            if others:
                second = self.pick(others)
                self.join(first, second)
                second.family, second.lives_in = first.family, first.lives_in
                return [first, second]
        return None

    def move(self) -> list[Person] | None:
        """A couple with its household moves to another town."""
        couples = [person for person in self.people if person.spouse]
        if not couples:
            return None
        household = self.pick(couples).household
        town = self.pick([town for town in self.towns if town != household[0].lives_in])
        for person in household:
            person.lives_in = town
        return household

    def die(self) -> Person | None:
        """Somebody of the oldest generation dies."""
        if not self.people:
            return None
        oldest = min(person.generation for person in self.people)
        dead = self.pick([person for person in self.people if person.generation == oldest])
        self.people.remove(dead)
        for child in dead.children:
            child.parents.remove(dead)
        for parent in dead.parents:
            parent.children.remove(dead)
        if dead.spouse:
            dead.spouse.spouse = None
        return dead

    def facts(self) -> set[NamedTriple]:
        """Everything that is true."""
        found = set(self.geography)
        for person in self.people:
            name = person.name
            found |= {
                (name, "born in", person.born_in),
                (name, "citizen of", self.country[person.born_in]),
                (name, "lives in", person.lives_in),
                (name, "member of", f"{person.family} family"),
            }
            found |= {(name, "child of", parent.name) for parent in person.parents}
            found |= {(name, "parent of", child.name) for child in person.children}
            found |= {(name, "married to", person.spouse.name)} if person.spouse else set()
        return found

    def add(self, surname: str, generation: int, born_in: str, lives_in: str, family: str) -> Person:
        """A person with a name that nobody has had."""
        name = f"{self.pick(GIVEN)} {surname}"
        while name in self.used:
            name = f"{self.pick(GIVEN)} {name}" if self.generator.random() < 0.1 else f"{self.pick(GIVEN)} {surname}"
        self.used.add(name)
        self.people.append(Person(name, generation, born_in, lives_in, family))
        return self.people[-1]

    def join(self, first: Person, second: Person) -> None:
        """Make a couple."""
        first.spouse, second.spouse = second, first
        first.married = second.married = True

    def names(self, starts: Sequence[str], ends: Sequence[str]) -> list[str]:
        """All that can be put together, in a random order."""
        every = [start + end for start, end in product(starts, ends)]
        return [every[number] for number in self.generator.permutation(len(every))]

    def pick(self, things: Sequence[Thing]) -> Thing:
        """One of them."""
        return things[int(self.generator.integers(len(things)))]


def _and(people: Sequence[Person]) -> str:
    names = [person.name for person in people]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
