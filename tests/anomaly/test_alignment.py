"""Features of groups reach points and patches as the paper says, without the picture in between."""

import pytest
import torch
from anomaly.clouds import bumpy, with_holes
from reference.alignment import at_points

from latticework.anomaly.encoders.alignment import at_patches, interpolation
from latticework.anomaly.encoders.sampling import farthest_points
from latticework.core import InputError


def scene(side=24, groups=40, channels=5, *, lost=0.2, seed=0):
    """Points of a picture, the centres of groups, and features of these."""
    points = with_holes(bumpy(side, seed=seed), lost, seed=seed)[0].flatten(1).mT
    random = torch.Generator().manual_seed(4)
    features = torch.randn(groups, channels, generator=random, dtype=points.dtype)
    return points, points[farthest_points(points, groups)], features


def literal(points, centres, features):
    """Equations 2 and 3, a point at a time."""
    found = torch.zeros(len(points), features.shape[1], dtype=points.dtype)
    for row, point in enumerate(points):
        if not point.isnan().any():
            distances = (centres - point).norm(dim=1)
            near = distances.argsort()[:3]
            alpha = 1 / (distances[near] + 1e-8)
            found[row] = (alpha[:, None] * features[near]).sum(0) / alpha.sum()
    return found


@pytest.mark.parametrize("seed", range(2))
def test_features_of_points_are_those_of_the_equations(seed):
    points, centres, features = scene(side=12, seed=seed)
    found = at_points(features, interpolation(points, centres))
    torch.testing.assert_close(found, literal(points, centres, features), rtol=1e-9, atol=1e-12)


def test_weights_add_up_to_one_for_points_and_to_nothing_for_none():
    points, centres, _ = scene()
    sums = interpolation(points.float(), centres.float()).weights.sum(1)
    known = ~points.isnan().any(1)
    assert (sums[known] - 1).abs().max() < 1e-6
    assert (sums[~known] == 0).all()


def test_a_point_at_a_centre_gets_its_feature():
    _, centres, features = scene(lost=0.0)
    found = at_points(features, interpolation(centres, centres))
    assert (found - features).abs().max() < 1e-4


def test_a_constant_field_stays_constant():
    points, centres, _ = scene(lost=0.0)
    found = interpolation(points, centres)
    ones = torch.full((40, 3), 7.0, dtype=points.dtype)
    torch.testing.assert_close(at_points(ones, found), torch.full((24 * 24, 3), 7.0, dtype=points.dtype))
    patches = at_patches(ones, found, width=24, patches=(6, 6))
    torch.testing.assert_close(patches.features, torch.full((3, 6, 6), 7.0, dtype=points.dtype))
    torch.testing.assert_close(patches.coverage, torch.ones(6, 6, dtype=points.dtype))


@pytest.mark.parametrize("patches", [(6, 6), (7, 5), (24, 24), (1, 1), (30, 28)])
def test_patches_are_averages_of_the_picture_that_is_never_made(patches):
    points, centres, features = scene()
    found = interpolation(points, centres)
    picture = at_points(features, found).mT.unflatten(1, (24, 24))
    known = (~points.isnan().any(1)).to(points.dtype).view(1, 24, 24)
    averaged = [
        torch.nn.functional.adaptive_avg_pool2d(torch.nn.functional.avg_pool2d(each, 3, stride=1), patches)
        for each in (picture, known)
    ]
    result = at_patches(features, found, width=24, patches=patches)
    torch.testing.assert_close(result.features, averaged[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(result.coverage, averaged[1][0], rtol=1e-9, atol=1e-12)


def test_fewer_than_three_centres_are_all_taken():
    points, centres, features = scene(groups=2)
    found = interpolation(points, centres)
    assert found.places.shape == (24 * 24, 2)
    assert at_points(features, found).isfinite().all()
    alone = at_points(features[:1], interpolation(points, centres[:1]))
    known = ~points.isnan().any(1)
    torch.testing.assert_close(alone[known], features[:1].expand(int(known.sum()), -1))


def test_centres_in_one_place_share_equally():
    weights = interpolation(torch.zeros(1, 3), torch.zeros(4, 3)).weights
    torch.testing.assert_close(weights, torch.full((1, 3), 1 / 3))


def test_clouds_without_a_point_give_zeros():
    points, centres, features = scene()
    found = interpolation(torch.full_like(points, torch.nan), centres)
    assert at_points(features, found).count_nonzero() == 0
    patches = at_patches(features, found, width=24)
    assert patches.features.shape == (5, 56, 56)
    assert patches.features.count_nonzero() == patches.coverage.count_nonzero() == 0


def test_half_precision_features_stay_so():
    points, centres, features = scene()
    found = interpolation(points.float(), centres.float())
    assert at_patches(features.bfloat16(), found, width=24).features.dtype == torch.bfloat16


@pytest.mark.parametrize("width", [0, 2, 23, 24 * 24])
def test_points_that_are_no_picture_are_refused(width):
    points, centres, features = scene()
    with pytest.raises(InputError, match=f"^a picture needs three rows and .*, got 576 points for rows of {width}"):
        at_patches(features, interpolation(points, centres), width=width)


def test_the_smallest_picture_is_of_three_by_three():
    points, centres, features = scene(side=3, groups=4, lost=0.0)
    found = at_patches(features, interpolation(points, centres), width=3, patches=(1, 1))
    mean = at_points(features, interpolation(points, centres)).mean(dim=0)
    torch.testing.assert_close(found.features.flatten(), mean)
