import dataclasses

import numpy as np
import pytest
import torch
from anomaly.encoders import POINTS, SIZES, encoder
from reference import point_mae as reference

from latticework.anomaly.encoders import point_mae
from latticework.anomaly.encoders.point_mae import POINT_MAE, PointMAE, PointMAEConfig
from latticework.core.errors import InputError


def farthest(points, count):
    """Centres, each the point farthest from those before it, one distance at a time."""
    chosen = [0]
    while len(chosen) < count:
        nearest = [min(((point - points[centre]) ** 2).sum() for centre in chosen) for point in points]
        chosen.append(int(np.argmax(nearest)))
    return chosen


def grouped(clouds=2, groups=6, size=5, seed=0, dtype=torch.float32):
    """Groups of random clouds: points less their centre, and centres."""
    rng = np.random.default_rng(seed)
    all_members, all_centres = [], []
    for points in rng.standard_normal((clouds, 30, 3)):
        centres = points[farthest(points, groups)]
        order = [np.argsort(((points - centre) ** 2).sum(1))[:size] for centre in centres]
        all_members.append([points[near] - centre for near, centre in zip(order, centres, strict=True)])
        all_centres.append(centres)
    return tuple(torch.from_numpy(np.array(each)).to(dtype) for each in (all_members, all_centres))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("block", [point_mae.BLOCK, 12])  # of 2 groups
def test_features_are_the_papers(seed, block, monkeypatch):
    monkeypatch.setattr(point_mae, "BLOCK", block)
    members, centres = grouped(seed=seed, dtype=torch.float64)
    features = encoder(seed).double()(members, centres)
    weights = reference.weights(seed, **SIZES)
    for cloud in range(2):
        expected = reference.encode(
            members[cloud].numpy(),
            centres[cloud].numpy(),
            weights,
            heads=POINTS.heads,
            layers=POINTS.layers,
            taken=POINTS.taken,
        )
        np.testing.assert_allclose(features[cloud], expected, rtol=0, atol=1e-10)


def test_clouds_do_not_depend_on_those_beside_them_to_the_last_bit():
    model, (members, centres) = encoder(), grouped(clouds=4)
    batch = model(members, centres)
    for cloud in range(4):
        assert torch.equal(model(members[cloud : cloud + 1], centres[cloud : cloud + 1])[0], batch[cloud])
    assert torch.equal(model(members, centres), batch)


def test_there_is_no_training_mode_and_weights_take_no_gradients():
    model, given = encoder(), grouped()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert torch.equal(model.train()(*given), model.eval()(*given))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_order_and_repetition_of_points_in_a_group_change_nothing():
    model, (members, centres) = encoder().double(), grouped(dtype=torch.float64)
    expected = model(members, centres)
    again = torch.cat([members.flip(2), members[:, :, :1]], dim=2)
    torch.testing.assert_close(model(again, centres), expected, rtol=0, atol=1e-12)


def test_the_order_of_groups_orders_the_features():
    model, (members, centres) = encoder().double(), grouped(dtype=torch.float64)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    ordered = model(members[:, order], centres[:, order])
    torch.testing.assert_close(ordered, model(members, centres)[:, order], rtol=0, atol=1e-12)


def test_layers_are_taken_in_the_order_that_is_given():
    given = grouped()
    expected = encoder()(*given).unflatten(2, (3, -1))
    backwards = encoder(config=dataclasses.replace(POINTS, taken=(3, 2, 0)))(*given).unflatten(2, (3, -1))
    assert torch.equal(backwards, expected.flip(2))


def test_the_default_is_that_of_m3dm():
    with torch.device("meta"):
        model = PointMAE(POINT_MAE)
    assert POINT_MAE.channels == 1152
    block = 12 * 384**2 + 384 + 4 * 384 + 384 + 4 * 384
    pointnet = 128 * 4 + 2 * 128 + 256 * 129 + 512 * 513 + 2 * 512 + 384 * 513
    count = pointnet + 128 * 4 + 384 * 129 + 12 * block + 2 * 384
    assert sum(parameter.numel() for parameter in model.parameters()) == count == 21_825_024


def test_a_cloud_without_groups_or_a_group_without_points_is_refused():
    for shape in ((1, 0, 5, 3), (1, 6, 0, 3), (0, 6, 5, 3)):
        with pytest.raises(InputError, match="expected groups of points"):
            encoder()(torch.zeros(shape), torch.zeros(*shape[:2], 3))


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"heads": 5}, "d_model=384: expected a multiple of heads=5"),
        ({"layers": 0}, "layers=0"),
        ({"layers": 11}, r"taken=\(3, 7, 11\): expected some of the layers 0 to 10"),
        ({"taken": ()}, "taken"),
        ({"taken": (-1,)}, "taken"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changed, message):
    with pytest.raises(InputError, match=message):
        PointMAEConfig(**changed)
