"""The planted world: what is held out follows from what is told, and everything that happens is in the facts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from latticework.core import InputError
from latticework.knowledge.graph import Graph
from latticework.knowledge.planted import RULES, follows, plant

RELATIONS = {
    "in",
    "borders",
    "capital of",
    "born in",
    "lives in",
    "citizen of",
    "member of",
    "child of",
    "parent of",
    "married to",
}


@pytest.fixture(scope="module")
def world():
    return plant(0)


def everything(snapshot):
    return {*snapshot.facts, *snapshot.validation, *snapshot.test}


def names(facts):
    return {name for head, _, tail in facts for name in (head, tail)}


def test_by_default_it_has_some_300_entities_and_every_relation(world):
    for snapshot in world:
        assert len(names(snapshot.facts)) == pytest.approx(300, abs=20)
        assert {relation for _, relation, _ in snapshot.facts} == RELATIONS
    assert len(world[0].facts) == pytest.approx(1600, abs=100)
    assert len(world) == 3


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_what_is_held_out_follows_from_what_is_told_and_is_not_told(seed):
    for snapshot in plant(seed, people=60, countries=2, snapshots=5, deaths=5):
        held_out = [*snapshot.validation, *snapshot.test]
        assert len(held_out) == len(set(held_out)) > 0
        assert not set(held_out) & set(snapshot.facts)
        assert {relation for _, relation, _ in held_out} <= set(RULES)
        assert all(follows(fact, snapshot.facts) for fact in held_out)
        assert names(held_out) <= names(snapshot.facts)


def test_wrong_facts_and_facts_without_premises_do_not_follow(world):
    facts = set(world[0].facts)
    person, _, town = next(fact for fact in sorted(facts) if fact[1] == "born in")
    assert not follows((person, "citizen of", "Nowhere"), facts)
    assert not follows((person, "born in", town), facts - {(person, "born in", town)}), (
        "no rule says where people are born"
    )
    region = next(tail for head, relation, tail in facts if (head, relation) == (town, "in"))
    country = next(tail for head, relation, tail in facts if (head, relation) == (region, "in"))
    assert follows((person, "citizen of", country), facts - {(person, "citizen of", country)})
    assert not follows((person, "citizen of", country), facts - {(region, "in", country)})


def test_the_changes_lead_from_one_snapshot_to_the_next(world):
    assert not world[0].delta
    graph = Graph.of(world[0].facts)
    for snapshot in world[1:]:
        assert snapshot.delta.add
        assert snapshot.delta.remove
        graph, change = graph.apply(snapshot.delta, missing="raise")
        assert set(graph.named()) == set(snapshot.facts)
        assert len(change.added) == len(snapshot.delta.add), "nothing is added that was there"


def test_the_dead_lose_every_fact_and_others_stay(world):
    for before, after in pairwise(world):
        dead = {event.removesuffix(" died.") for event in after.events if event.endswith(" died.")}
        assert len(dead) == 2
        assert not dead & names(everything(after))
        assert names(before.facts) - names(after.facts) == dead


def test_the_born_are_new_and_their_citizenship_is_tested_but_never_told(world):
    for before, after, number in zip(world, world[1:], range(1, 9), strict=False):
        assert len(after.born) == 3
        assert not set(after.born) & names(everything(before))
        for later in world[number:]:
            assert {head for head, relation, _ in later.test if relation == "citizen of"} >= set(after.born) & names(
                later.facts
            )


def test_whoever_moved_lives_elsewhere_and_the_old_place_is_no_fact(world):
    after = world[1]
    mover = next(event for event in after.events if "moved to" in event)
    place = mover.removesuffix(".").rpartition(" moved to ")[2]
    person = mover.split(" moved to ")[0].split(",")[0].split(" and ")[0]
    where = [tail for head, relation, tail in everything(after) if (head, relation) == (person, "lives in")]
    assert where == [place]


def test_each_person_has_one_birthplace_home_country_and_family(world):
    for snapshot in world:
        counts = Counter((head, relation) for head, relation, _ in everything(snapshot))
        people = {head for head, relation, _ in snapshot.facts if relation == "born in"}
        for relation in ("born in", "lives in", "citizen of", "member of"):
            assert {counts[person, relation] for person in people} == {1}
        pairs = {(head, tail) for head, relation, tail in everything(snapshot) if relation == "married to"}
        assert pairs == {(tail, head) for head, tail in pairs}


def test_what_was_told_stays_told_while_it_is_true(world):
    for before, after in pairwise(world):
        hidden = {*after.validation, *after.test}
        assert not hidden & set(before.facts)
        kept = {*before.validation, *before.test} & hidden
        assert set(before.validation) & kept == set(after.validation) & kept, "no fact goes from validation to test"


def test_names_read_like_names_and_nobody_has_that_of_another(world):
    for name in names(world[0].facts):
        assert name.replace(" ", "").isalpha()
        assert name[0].isupper()


def test_the_same_seed_gives_the_same_world():
    sizes = {"people": 30, "countries": 2, "snapshots": 2}
    assert plant(4, **sizes) == plant(4, **sizes)
    assert plant(4, **sizes) != plant(5, **sizes)


def test_more_people_than_single_names_there_are_get_several():
    (world,) = plant(0, people=1500, countries=30, snapshots=1)
    assert len({head for head, relation, _ in world.facts if relation == "born in"}) == 1500


def test_everybody_may_die():
    last = plant(0, people=20, countries=2, snapshots=2, births=0, marriages=0, moves=3, deaths=40)[-1]
    assert {relation for _, relation, _ in last.facts} == {"in", "borders", "capital of"}
    assert last.born == ()


@pytest.mark.parametrize(
    "name, size, told",
    [
        ("people", 5, "expected a whole number of at least 20"),
        ("countries", 1, "expected a whole number of at least 2"),
        ("countries", 31, "there are names for 30"),
        ("snapshots", 0, "expected a whole number of at least 1"),
        ("births", -1, "expected a whole number of at least 0"),
        ("deaths", 1.5, "expected a whole number of at least 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(name, size, told):
    with pytest.raises(InputError, match=f"^{name}={size}: {told}$"):
        plant(0, **{name: size})
