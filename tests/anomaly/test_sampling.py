"""Farthest points are those of the greedy loop, and groups are the points nearest to them."""

from itertools import combinations

import numpy as np
import pytest
import torch

from latticework.anomaly.encoders.sampling import farthest_points, nearest, nearest_groups
from latticework.core import InputError


def greedy(points, count, start):
    """The loop of the paper, over the rows that are points."""
    there = [row for row in range(len(points)) if not np.isnan(points[row]).any()]
    chosen = [there[start]]
    while len(chosen) < min(count, len(there)):
        distances = [min(((points[row] - points[centre]) ** 2).sum() for centre in chosen) for row in there]
        chosen.append(there[int(np.argmax(distances))])
    return chosen


def scattered(count, *, seed=0, lost=0.2):
    random = torch.Generator().manual_seed(seed)
    points = torch.randn(count, 3, generator=random, dtype=torch.float64)
    return points.masked_fill((torch.rand(count, generator=random) < lost)[:, None], torch.nan)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("start", [0, 7])
def test_farthest_points_are_those_of_the_greedy_loop(seed, start):
    points = scattered(60, seed=seed)
    assert farthest_points(points, 20, start=start).tolist() == greedy(points.numpy(), 20, start)


def test_of_points_equally_far_the_first_is_chosen():
    corners = torch.cartesian_prod(*[torch.arange(4.0)] * 3)
    assert farthest_points(corners, 30).tolist() == greedy(corners.numpy(), 30, 0)


def test_the_radius_shrinks_and_is_at_most_twice_the_best():
    points = scattered(12, lost=0.0)
    for count in (2, 3, 4):
        apart = torch.cdist(points, points)
        best = min(apart[:, list(chosen)].amin(1).max() for chosen in combinations(range(12), count))
        assert apart[:, farthest_points(points, count)].amin(1).max() <= 2 * best


def test_a_cloud_of_fewer_points_gives_them_all():
    points = scattered(50)
    there = (~points.isnan().any(1)).nonzero()[:, 0].tolist()
    assert sorted(farthest_points(points, 1024).tolist()) == there


def test_duplicates_come_last():
    points = scattered(10, lost=0.0).repeat(3, 1)
    found = farthest_points(points, 12)
    assert sorted((found[:10] % 10).tolist()) == list(range(10))
    assert found[10:].tolist() == [0, 0]
    assert farthest_points(torch.ones(5, 3), 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(2))
def test_groups_are_the_nearest_points_less_their_centre(seed):
    points = scattered(80, seed=seed)
    centres = farthest_points(points, 9)
    groups = nearest_groups(points, centres, size=7)
    for group, centre in enumerate(centres):
        distances = (points - points[centre]).norm(dim=1).nan_to_num(nan=torch.inf)
        expected = distances.argsort()[:7]
        assert groups.places[group].tolist() == expected.tolist()
        assert torch.equal(groups.members[group], points[expected] - points[centre])
        assert torch.equal(groups.centres[group], points[centre])
    assert groups.members[:, 0].count_nonzero() == 0


def test_groups_of_a_small_cloud_are_all_of_it():
    points = scattered(12, lost=0.0)
    points[4:] = torch.nan
    groups = nearest_groups(points, farthest_points(points, 3), size=128)
    assert groups.places.sort(1).values.tolist() == [[0, 1, 2, 3]] * 3


def test_the_nearest_are_those_of_all_distances():
    random = torch.Generator().manual_seed(2)
    points, queries = (torch.randn(count, 3, generator=random) for count in (70, 40))
    distances, places = nearest(points, queries, 5)
    expected = torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist").topk(5, largest=False)
    torch.testing.assert_close(distances, expected.values)
    assert torch.equal(places, expected.indices)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: farthest_points(torch.full((5, 3), torch.nan), 3), "needs points to be sampled, .* has none"),
        (lambda: nearest_groups(torch.ones(0, 3), torch.tensor([0])), "needs points to be sampled, .* has none"),
        (lambda: farthest_points(torch.ones(5, 3), 0), "groups must be at least 1, got 0"),
        (lambda: farthest_points(torch.ones(5, 3), 2, start=5), "the 5 points of the cloud, got 5"),
        (lambda: farthest_points(torch.ones(5, 3), 2, start=-1), "got -1"),
        (lambda: nearest_groups(torch.ones(5, 3), torch.tensor([0]), size=0), "size must be at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
