"""Coresets are those of the greedy loop over all patches in double precision, whatever the data."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.coreset import cover
from reference.coreset import greedy as literal

from latticework.anomaly.memory import coreset, distances
from latticework.anomaly.memory.coreset import Coreset, greedy, size
from latticework.core.errors import InputError

KINDS = {
    "random": lambda rng, x: x,
    "double": lambda rng, x: x.astype(np.float64) * 1e3 + 1e5,
    "half": lambda rng, x: x.astype(np.float16),
    "on a lattice": lambda rng, x: np.clip(np.round(x), -1, 1),
    "few distinct": lambda rng, x: x[rng.integers(0, min(40, len(x)), len(x))],
    "constant": lambda rng, x: np.full_like(x, 0.3),
    "an outlier": lambda rng, x: np.concatenate([x[:7], 1e6 * x[:1], x[7:]]),
    "far from the origin": lambda rng, x: x + 3000,
    "tiny": lambda rng, x: x * np.float32(1e-20),
    "huge": lambda rng, x: x * np.float32(1e18),
    "mirrored": lambda rng, x: np.concatenate([x, -x]),
    "nearly equal": lambda rng, x: np.concatenate([x, x + np.float32(1e-6)]),
    "two tight clusters": lambda rng, x: tight(rng, x, 1e-3),
    "two lattices far apart": lambda rng, x: tight(rng, np.clip(np.round(x), -1, 1), 1) * 4096,
    "one-hot": lambda rng, x: np.eye(min(len(x), 200), dtype=np.float32),
    "equal and far": lambda rng, x: np.concatenate([x, np.full_like(x, 300)]),
    "a speck and an outlier": lambda rng, x: np.concatenate([x * np.float32(1e-22), np.ones_like(x[:1])]),
    "the largest": lambda rng, x: (x / np.abs(x).max() * 3.4e38).astype(np.float32),
    "the smallest": lambda rng, x: x * np.float32(1e-40),
    "beyond single precision": lambda rng, x: x.astype(np.float64) * 1e100,
    "below single precision": lambda rng, x: x.astype(np.float64) * 1e-100,
    "at the end of single precision": lambda rng, x: x.astype(np.float64) * 1e-44,
    "at the end of double precision": lambda rng, x: x / np.float64(np.abs(x).max()) * 4.9e149,
}


def tight(rng, x, spread):
    """Two clusters, each around a corner."""
    return (x * np.float32(spread) + np.where(rng.random((len(x), 1)) < 0.5, -1, 1)).astype(np.float32)


def features(kind, seed=0, patches=700, channels=9):
    rng = np.random.default_rng(seed)
    return KINDS[kind](rng, rng.normal(size=(patches, channels)).astype(np.float32))


def assert_literal(data, count, start=0):
    chosen = greedy(data, count, start=start)
    indices, radii = literal(data, count, start)
    assert chosen.indices.tolist() == indices
    assert np.allclose(chosen.radii, radii, rtol=1e-12, atol=0)
    assert (np.diff(chosen.radii) <= 0).all()
    return chosen


@pytest.mark.parametrize("pool", [8, 64, coreset.POOL])
@pytest.mark.parametrize("kind", KINDS)
def test_picks_are_those_of_the_loop_in_its_order(kind, pool, monkeypatch):
    monkeypatch.setattr(coreset, "POOL", pool)
    assert_literal(features(kind), 150)


@given(
    seed=st.integers(0, 2**31),
    patches=st.integers(2, 90),
    channels=st.integers(1, 6),
    kind=st.sampled_from(sorted(KINDS)),
    share=st.floats(0, 1),
)
@settings(max_examples=60)
def test_picks_of_any_data_are_those_of_the_loop(seed, patches, channels, kind, share):
    data = features(kind, seed, patches, channels)
    count = 1 + int(share * (len(data) - 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coreset, "POOL", 5)
        patch.setattr(coreset, "BLOCK", 16)
        patch.setattr(coreset, "_PENDING", 3)
        assert_literal(data, count, start=seed % len(data))


@pytest.mark.parametrize("kind", KINDS)
def test_what_other_devices_compute_is_the_same(kind, monkeypatch):
    for module in (distances, coreset):
        monkeypatch.setattr(module, "on_cpu", lambda device: False)
    monkeypatch.setattr(coreset, "POOL", 64)
    assert_literal(features(kind), 100)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_picks_on_a_gpu_are_those_on_the_cpu():
    data = features("random", patches=20_000)
    assert greedy(data, 1000, device="cuda").indices.tolist() == greedy(data, 1000).indices.tolist()


class Counted:
    """Rows that count how many of them are read."""

    def __init__(self, rows):
        self.rows, self.read = rows, 0

    @property
    def shape(self):
        return self.rows.shape

    def __getitem__(self, which):
        found = self.rows[which]
        self.read += len(found)
        return found


def test_few_patches_are_asked_again():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(20_000, 20)) / np.sqrt(rng.chisquare(5, size=(20_000, 1)) / 5)
    rows = Counted(data.astype(np.float32))
    count = 1000
    assert greedy(rows, count).indices.tolist() == literal(data.astype(np.float32), count, 0)[0]
    once = 2 * len(data) + 1023  # to look at them, to tell them of the first pick, and for their median
    assert rows.read - once < 25 * count  # where a loop reads 20,000 for each pick


@pytest.mark.parametrize(
    "data, most",
    [
        (features("two tight clusters", patches=3000, channels=20), 1.1),
        (features("equal and far", patches=3000, channels=20), 0.7),
        (features("on a lattice", patches=3000, channels=20), 0.95),
        (np.eye(1000, dtype=np.float32), 0.5),
    ],
    ids=["two tight clusters", "equal and far", "on a lattice", "one-hot"],
)
def test_the_work_is_that_of_the_loop_where_bounds_or_distances_tell_nothing(data, most, monkeypatch):
    assert work(monkeypatch, data, 300) < most * 300 * data.size


def test_what_is_settled_is_not_settled_again(monkeypatch):
    monkeypatch.setattr(coreset, "POOL", 16)
    data = features("two lattices far apart", patches=1500, channels=8)
    assert work(monkeypatch, data, 700) < 2 * 700 * data.size


@pytest.mark.parametrize("threads", [1, 2, 16, 500])
def test_all_pairs_of_a_product_fit_where_they_are_compared_on_however_many_threads(threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    data = features("random", patches=5000)
    rows = coreset._Greedy(data, distances.Frame.of(data, 4096), 2000, torch.device("cpu"))._many
    for picks in (1, 100, 1024, 2000):  # of which 1024 are told at a time
        assert rows(picks) * min(picks, 1024) <= distances.PAIRS // 2


def test_the_work_is_a_small_part_of_the_loop_where_patches_are_uneven(monkeypatch):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(20_000, 20)) / np.sqrt(rng.chisquare(3, size=(20_000, 1)) / 3)
    assert work(monkeypatch, data.astype(np.float32), 1000) < 0.15 * 1000 * data.size


def work(monkeypatch, data, count):
    """Multiplications that a selection takes, those of its pools included."""
    done = 0

    def counted(function, pairs):
        def call(*arguments):
            nonlocal done
            done += pairs(*arguments) * data.shape[1]
            return function(*arguments)

        return call

    monkeypatch.setattr(coreset, "product", counted(coreset.product, lambda left, right: len(left) * len(right)))
    monkeypatch.setattr(coreset, "direct", counted(coreset.direct, lambda left, right: len(left)))
    monkeypatch.setattr(coreset, "direct_pairs", counted(coreset.direct_pairs, lambda left, rows, *rest: len(rows)))
    greedy(data, count)
    return done


def test_the_first_pick_is_the_start_and_is_kept():
    assert assert_literal(features("random"), 20, start=41).indices[0] == 41


def test_of_equally_far_patches_the_first_is_picked_and_copies_only_when_nothing_else_is_left():
    line = np.array([[0.0], [2.0], [-2.0], [2.0], [0.0], [1.0]])
    chosen = greedy(line, 5)
    assert chosen.indices.tolist() == [0, 1, 2, 5, 3]
    assert chosen.radii.tolist() == [2.0, 2.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("count", [10, 11, 10**9])
def test_all_patches_are_kept_where_as_many_or_more_are_asked_for(count):
    chosen = greedy(features("random", patches=10), count)
    assert chosen.indices.tolist() == list(range(10))
    assert chosen.radius == 0


def test_the_radius_is_what_the_coreset_covers():
    data = features("random", patches=120, channels=3)
    chosen = greedy(data, 9)
    assert chosen.radius == pytest.approx(cover(data.astype(float), chosen.indices), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_radius_is_at_most_twice_the_best_possible(seed):
    data = np.random.default_rng(seed).normal(size=(9, 2))
    best = min(cover(data, centres) for centres in combinations(range(9), 3))
    assert best <= greedy(data, 3).radius <= 2 * best


def test_a_longer_coreset_begins_with_the_shorter_one():
    data = features("random")
    assert greedy(data, 200).indices[:50].tolist() == greedy(data, 50).indices.tolist()


def test_the_order_of_patches_does_not_matter_if_the_start_is_the_same():
    data = features("random")
    order = np.random.default_rng(1).permutation(len(data))
    moved = greedy(data[order], 60, start=int(np.flatnonzero(order == 3)[0]))
    assert order[moved.indices].tolist() == greedy(data, 60, start=3).indices.tolist()


def test_one_pick_tells_how_far_the_farthest_patch_is():
    data = features("random")
    assert greedy(data, 1).radius == pytest.approx(np.sqrt(((data - data[0]).astype(float) ** 2).sum(1).max()))


@pytest.mark.parametrize(
    "data, options, message",
    [
        (np.zeros((0, 3)), {"count": 1}, "rows, one a patch"),
        (np.zeros(3), {"count": 1}, "rows, one a patch"),
        (np.ones((4, 2), dtype=int), {"count": 1}, "features are floats"),
        (np.array([[0.0], [np.nan], [1.0]]), {"count": 2}, "patch 1 are not finite"),
        (np.array([[0.0], [np.nan], [1.0]]), {"count": 3}, "patch 1 are not finite"),
        (np.array([[0.0], [1.1e150], [1.0]]), {"count": 2}, r"as large, or far apart, as 1\.1e\+150 have no squares"),
        (np.zeros((4, 2)), {"count": 0}, "count=0"),
        (np.zeros((4, 2)), {"count": 2, "start": 4}, "from 0 to 3"),
        (np.zeros((4, 2)), {"count": 2, "start": -1}, "start=-1"),
    ],
)
def test_bad_input_is_named(data, options, message):
    with pytest.raises(InputError, match=message):
        greedy(data, **options)


@pytest.mark.parametrize(
    "count, fraction, expected",
    [(10, 0.3, 3), (10, 0.01, 1), (7, 1.0, 7), (3, 0.34, 1), (90_000_000, 0.7, 63_000_000), (3, 1 / 3, 1)],
)
def test_a_fraction_is_rounded_down_but_one_is_kept(count, fraction, expected):
    assert size(count, fraction) == expected


def test_a_coreset_has_as_many_as_were_chosen():
    assert len(Coreset(np.arange(3), np.zeros(3))) == 3
