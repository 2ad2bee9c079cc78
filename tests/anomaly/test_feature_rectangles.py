"""Features are computed where something is, and are those of the whole picture to the last bit."""

import math

import pytest
import torch

from latticework.anomaly.features import handcrafted, patch_maps


class Whole(patch_maps.Rectangle):
    """All of the picture, wherever the part is."""

    @classmethod
    def of(cls, seen):
        height, width = seen.shape[1:]
        return cls(height, width, slice(0, height), slice(0, width))


def scan(height, width, place):
    """Colours, points, and what counts: a part with holes, and the points of its hidden rim."""
    random = torch.Generator().manual_seed(0)
    foreground = torch.zeros(2, height, width, dtype=torch.bool)
    foreground[0, place[0], place[1]] = True
    rows, columns = (
        axis.float() / 1000 for axis in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    )
    depth = 0.5 + 2e-4 * torch.randn(2, height, width, generator=random)
    xyz = torch.stack([columns.expand_as(depth), rows.expand_as(depth), depth], dim=1)
    lost = torch.rand(2, height, width, generator=random) < 0.1
    xyz = torch.where((foreground & ~lost)[:, None], xyz, math.nan)
    return torch.rand(2, 3, height, width, generator=random), xyz, patch_maps.inside(foreground)


@pytest.mark.parametrize("size", [(96, 80), (61, 75)])
@pytest.mark.parametrize(
    "place",
    [
        (slice(30, 52), slice(17, 49)),
        (slice(0, 20), slice(40, None)),  # at the border of the picture
        (slice(None), slice(None)),
        (slice(0), slice(0)),  # nothing at all
    ],
)
def test_features_are_those_of_the_whole_picture(monkeypatch, size, place):
    rgb, xyz, counted = scan(*size, place)
    found = handcrafted.texture(rgb, counted), handcrafted.geometry(xyz, counted)
    monkeypatch.setattr(handcrafted, "Rectangle", Whole)
    whole = handcrafted.texture(rgb, counted), handcrafted.geometry(xyz, counted)
    for one, other in zip(found, whole, strict=True):
        assert torch.equal(one.features, other.features)
        assert torch.equal(one.judged, other.judged)
