import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lattices import lattice_of

from latticework.core.errors import InputError


@st.composite
def batches(draw):
    lengths = draw(st.lists(st.integers(0, 6), max_size=5))
    possible = [(s, b, e) for s, n in enumerate(lengths) for b in range(n) for e in range(b + 2, n + 1)]
    return lengths, draw(st.lists(st.sampled_from(possible), max_size=12)) if possible else []


@settings(max_examples=100)
@given(batch=batches())
def test_every_character_and_every_word_has_its_place_once_in_each_direction(batch):
    lengths, arcs = batch
    lattice = lattice_of(lengths, arcs)
    offsets = np.concatenate([[0], np.cumsum(lattice.active)]).astype(int)
    characters = lattice.sentence.shape[1]
    where = [dict(zip(zip(*place, strict=True), range(characters), strict=True)) for place in places_of(lattice)]
    assert all(set(each) == {(s, j) for s, n in enumerate(lengths) for j in range(n)} for each in where)
    step_of = np.repeat(np.arange(len(lattice.active)), lattice.active)
    steps = np.repeat(np.arange(len(lattice.slots)), lattice.slots)
    for direction in range(2):
        real = (lattice.meeting[direction] < len(lattice.meetings)).nonzero().flatten().tolist()
        assert sorted(lattice.arc[direction, real].tolist()) == list(range(len(arcs)))
        for slot in real:
            sentence, begin, end = arcs[lattice.arc[direction, slot]]
            first, last = (begin, end - 1) if direction == 0 else (end - 1, begin)
            begins = where[direction][sentence, first]
            ends = where[direction][sentence, last]
            assert lattice.begin[direction, slot] == begins + direction * characters
            assert lattice.end[direction, slot] == ends + direction * characters
            assert lattice.meetings[lattice.meeting[direction, slot]] == ends + direction * characters
            assert step_of[begins] == steps[slot]
    assert lattice.words == len(arcs)
    assert len(lattice.meetings) == sum(lattice.met) == len(set(lattice.meetings.tolist()))
    met_steps = step_of[lattice.meetings.numpy() % max(1, characters)]
    assert met_steps.tolist() == np.repeat(np.arange(len(lattice.met)), lattice.met).tolist()
    for flat, paired in (
        (lattice.begins, lattice.begin),
        (lattice.ends, lattice.end),
        (lattice.meets, lattice.meeting),
    ):
        assert flat.tolist() == [int(v) for t in range(len(lattice.slots)) for v in paired[:, steps == t].flatten()]
    assert lattice.previous.tolist() == [
        offsets[t - 1] + rank for t in range(1, len(lattice.active)) for rank in range(lattice.active[t])
    ]


@settings(max_examples=50)
@given(batch=batches())
def test_the_character_after_each_and_the_places_within_a_step_agree_with_the_rows(batch):
    lattice = lattice_of(*batch)
    later = torch.arange(lattice.active[0] if lattice.active else 0, len(lattice.following))
    assert torch.equal(lattice.following[lattice.previous], later)
    last = torch.ones(len(lattice.following), dtype=torch.bool)
    last[lattice.previous] = False
    assert not lattice.following[last].any()
    characters = lattice.sentence.shape[1]
    rows = torch.arange(2 * characters).view(2, -1).split_with_sizes(lattice.active, 1)
    steps = lattice.met_places.split_with_sizes(lattice.met)
    found = [int(row) for each, places in zip(rows, steps, strict=True) for row in each.flatten()[places]]
    assert lattice.meetings.tolist() == found


def places_of(lattice):
    return [(lattice.sentence[d].tolist(), lattice.time[d].tolist()) for d in range(2)]


def test_the_longest_sentences_come_first():
    lattice = lattice_of([2, 0, 4, 3], [])
    assert lattice.active == (3, 3, 2, 1)
    assert lattice.sentence[0].tolist() == [2, 3, 0, 2, 3, 0, 2, 3, 2]
    assert lattice.time.tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 3], [3, 2, 1, 2, 1, 0, 1, 0, 0]]


def test_moved_to_a_device_only_tensors_move():
    lattice = lattice_of([3, 5], [(1, 0, 2), (1, 2, 5)])
    moved = lattice.to("meta")
    assert moved.arc.is_meta
    assert moved.meets.is_meta
    assert (moved.active, moved.slots, moved.met) == (lattice.active, lattice.slots, lattice.met)
    assert not lattice.arc.is_meta


@pytest.mark.parametrize(
    "arc, message",
    [
        ((0, 0, 1), "word 1 spans 0 to 1 of sentence 0, which has 3 characters"),
        ((0, 2, 2), "word 1 spans 2 to 2"),
        ((0, -1, 2), "word 1 spans -1 to 2"),
        ((1, 4, 6), "word 1 spans 4 to 6 of sentence 1, which has 5 characters"),
        ((2, 0, 2), "word 1 is of sentence 2, but there are 2"),
        ((-1, 0, 2), "word 1 is of sentence -1"),
    ],
)
def test_a_word_outside_of_its_sentence_or_too_short_is_refused(arc, message):
    with pytest.raises(InputError, match=message):
        lattice_of([3, 5], [(1, 0, 2), arc])


def test_a_negative_length_is_refused():
    with pytest.raises(InputError, match="lengths must not be negative, got -2"):
        lattice_of([3, -2], [])


def test_a_batch_of_nothing_is_a_lattice():
    assert lattice_of([], []).active == ()
    assert lattice_of([0, 0], []).sentence.shape == (2, 0)
    assert torch.equal(lattice_of([2], []).arc, torch.zeros(2, 0, dtype=torch.int64))
