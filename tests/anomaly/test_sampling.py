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


def scattered(batch, count, *, seed=0, lost=0.2, dtype=torch.float64):
    random = torch.Generator().manual_seed(seed)
    points = torch.randn(batch, count, 3, generator=random, dtype=dtype)
    lost = torch.rand(batch, count, generator=random) < lost
    return points.masked_fill(lost[..., None], torch.nan)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("start", [0, 7])
def test_farthest_points_are_those_of_the_greedy_loop(seed, start):
    points = scattered(3, 60, seed=seed)
    expected = [greedy(cloud, 20, start) for cloud in points.numpy()]
    assert farthest_points(points, 20, start=start).tolist() == expected


def test_of_points_equally_far_the_first_is_chosen():
    corners = torch.cartesian_prod(*[torch.arange(4.0)] * 3)[None]
    expected = [greedy(corners[0].numpy(), 30, 0)]
    assert farthest_points(corners, 30).tolist() == expected


def test_the_radius_shrinks_and_is_at_most_twice_the_best():
    points = scattered(1, 12, lost=0.0)
    for count in (2, 3, 4):
        apart = torch.cdist(points[0], points[0])
        best = min(apart[:, list(chosen)].amin(1).max() for chosen in combinations(range(12), count))
        found = apart[:, farthest_points(points, count)[0]].amin(1).max()
        assert found <= 2 * best


def test_a_cloud_of_fewer_points_gives_them_all():
    points = scattered(1, 50)
    there = (~points[0].isnan().any(1)).nonzero()[:, 0].tolist()
    found = farthest_points(points, 1024)[0].tolist()
    assert sorted(found) == there
    together = torch.cat([points, scattered(1, 50, lost=0.0, seed=5)])
    longer = farthest_points(together, 1024)
    assert longer.shape == (2, 50)
    assert longer[0].tolist() == found + [there[0]] * (50 - len(found))


def test_duplicates_come_last():
    points = scattered(1, 10, lost=0.0).repeat(1, 3, 1)
    found = farthest_points(points, 12)[0]
    assert sorted((found[:10] % 10).tolist()) == list(range(10))
    assert found[10:].tolist() == [0, 0]
    assert farthest_points(torch.ones(1, 5, 3), 3).tolist() == [[0, 0, 0]]


def test_clouds_of_a_batch_do_not_matter_to_each_other():
    points = scattered(4, 200, lost=0.0, dtype=torch.float32)
    together = farthest_points(points, 64)
    assert torch.equal(together, torch.cat([farthest_points(cloud[None], 64) for cloud in points]))
    assert torch.equal(together, farthest_points(points, 64))


def test_groups_are_the_nearest_points_less_their_centre():
    points = scattered(2, 80)
    centres = farthest_points(points, 9)
    groups = nearest_groups(points, centres, size=7)
    for cloud in range(2):
        for group, centre in enumerate(centres[cloud]):
            distances = (points[cloud] - points[cloud, centre]).norm(dim=1).nan_to_num(nan=torch.inf)
            expected = distances.argsort()[:7]
            assert groups.places[cloud, group].tolist() == expected.tolist()
            members = points[cloud, expected] - points[cloud, centre]
            assert torch.equal(groups.members[cloud, group], members)
            assert torch.equal(groups.centres[cloud, group], points[cloud, centre])
    assert groups.members[:, :, 0].count_nonzero() == 0


def test_groups_of_small_clouds_are_filled_up_with_their_centre():
    points = scattered(2, 12, lost=0.0)
    points[1, 4:] = torch.nan
    groups = nearest_groups(points, farthest_points(points, 3), size=128)
    assert groups.places.shape == (2, 3, 12)
    assert groups.places[1, :, :4].sort(1).values.tolist() == [[0, 1, 2, 3]] * 3
    assert (groups.places[1, :, 4:] == groups.places[1, :, :1]).all()
    assert groups.members[1, :, 4:].count_nonzero() == 0


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
        (lambda: farthest_points(torch.full((2, 5, 3), torch.nan), 3), r"these of 2 have none: \[0, 1\]"),
        (lambda: farthest_points(torch.ones(1, 0, 3), 3), r"these of 1 have none: \[0\]"),
        (lambda: farthest_points(torch.ones(0, 5, 3), 3), r"these of 0 have none: \[\]"),
        (lambda: farthest_points(torch.ones(1, 5, 3), 0), "groups must be at least 1, got 0"),
        (lambda: farthest_points(torch.ones(1, 5, 3), 2, start=5), "the 5 points of the smallest cloud, got 5"),
        (lambda: farthest_points(torch.ones(1, 5, 3), 2, start=-1), "got -1"),
        (lambda: nearest_groups(torch.ones(1, 5, 3), torch.tensor([[0]]), size=0), "size must be at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
