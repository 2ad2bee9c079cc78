from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from anomaly.clouds import bumpy, with_holes
from anomaly.encoders import COLOUR, POINTS, encoder, point_mae_state, vit, vit_state
from reference.alignment import at_points
from safetensors.torch import save_file

from latticework.anomaly.encoders.alignment import interpolation
from latticework.anomaly.encoders.pretrained import Pretrained
from latticework.anomaly.encoders.sampling import farthest_points, nearest_groups
from latticework.anomaly.features.patch_maps import SHARE
from latticework.anomaly.preparation.frames import Frames
from latticework.core import State
from latticework.core.errors import InputError
from latticework.core.persistence import read_folder, write_folder

SIDE = 32
MODES = pytest.mark.parametrize("mode", ["default", "paper"])


def scans(radii=(20, 12, 9, 6), *, lost=0.05):
    """Round parts of several sizes, scanned in colour and 3D; what lies beside them is seen too."""
    line = torch.arange(SIDE) - SIDE / 2
    off = torch.hypot(line[:, None], line)
    xyz = torch.cat([with_holes(bumpy(SIDE, seed=seed), lost, seed=seed) for seed in range(len(radii))]).float()
    rgb = torch.rand(len(radii), 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return Frames(rgb, xyz, torch.stack([off < radius for radius in radii]), (), ("",) * len(radii))


def one(frames, place):
    return Frames(*(each[place : place + 1] for each in (frames.rgb, frames.xyz, frames.foreground)), (), ("",))


def both():
    return Pretrained(vit(), encoder())


def constant(value=7.0):
    """An encoder of points that says the same of every group."""
    model = encoder()
    model.norm.weight.zero_()
    model.norm.bias.fill_(value)
    return Pretrained(point_mae=model)


def same(first, second):
    return torch.equal(first.features, second.features) and torch.equal(first.judged, second.judged)


def test_colours_are_those_of_the_encoder_with_black_beside_the_part():
    frames = scans()
    found = both().colour(frames)
    assert torch.equal(found.features, vit()(torch.where(frames.foreground[:, None], frames.rgb, 0.0)))
    assert found.features.shape == (4, COLOUR.d_model, SIDE // 8, SIDE // 8)
    share = frames.foreground.float().unfold(1, 8, 8).unfold(2, 8, 8).mean((3, 4))
    assert torch.equal(found.judged, share >= SHARE)


@MODES
def test_features_of_points_are_those_of_the_picture_that_is_never_made(mode):
    """Groups, Point-MAE, interpolation to every point, 3 x 3 averages, averages over patches: a step at a time."""
    frames = one(scans(), 1)
    points = torch.where(frames.foreground[:, None], frames.xyz, torch.nan).flatten(2).mT
    groups = nearest_groups(points, farthest_points(points, 1024), 128)
    weights = interpolation(points, groups.centres)
    picture = at_points(encoder()(groups.members, groups.centres), weights).mT.unflatten(2, (SIDE, SIDE))
    known = (~points.isnan().any(2)).float().view(1, 1, SIDE, SIDE)
    averages, coverage = (
        F.adaptive_avg_pool2d(F.avg_pool2d(each, 3, stride=1), SIDE // 4) for each in (picture, known)
    )
    if mode == "default":
        averages = (averages / coverage).nan_to_num(nan=0.0)
    found = both().geometry(frames, mode=mode)
    torch.testing.assert_close(found.features, averages, rtol=1e-4, atol=1e-5)
    assert torch.equal(found.judged, coverage[:, 0].round(decimals=5) >= SHARE)
    assert found.features.shape == (1, POINTS.channels, SIDE // 4, SIDE // 4)


def test_parts_do_not_depend_on_those_beside_them_to_the_last_bit():
    model, frames = both(), scans()
    for features in (model.colour, model.geometry):
        batch = features(frames)
        for place in range(len(frames.foreground)):
            alone = features(one(frames, place))
            assert torch.equal(alone.features[0], batch.features[place])
            assert torch.equal(alone.judged[0], batch.judged[place])


def test_two_runs_are_the_same_whatever_state_encoders_and_random_numbers_are_in():
    frames = scans()
    model = both()
    first = model.colour(frames), model.geometry(frames)
    model.vit.train()
    model.point_mae.train()
    torch.rand(5)
    assert all(map(same, first, (model.colour(frames), model.geometry(frames))))


def test_what_lies_beside_the_part_does_not_enter():
    frames, model = scans(), both()
    beside = ~frames.foreground[:, None]
    changed = replace(frames, rgb=frames.rgb.masked_fill(beside, 0.7), xyz=frames.xyz + 0.3 * beside)
    assert same(model.colour(changed), model.colour(frames))
    assert same(model.geometry(changed), model.geometry(frames))


def test_a_constant_field_stays_constant_up_to_the_outline():
    found = constant().geometry(scans(lost=0.3))
    expected = torch.full_like(found.features, 7.0)
    known = found.features.abs().amax(1) > 0
    assert (known | ~found.judged).all()
    torch.testing.assert_close(found.features.movedim(1, 3)[known], expected.movedim(1, 3)[known])


def test_as_in_the_papers_code_patches_are_dimmed_by_what_has_no_points():
    frames = scans(lost=0.3)
    paper, default = (constant().geometry(frames, mode=each) for each in ("paper", "default"))
    known = (frames.foreground & ~frames.xyz.isnan().any(1)).float()[:, None]
    coverage = F.adaptive_avg_pool2d(F.avg_pool2d(known, 3, stride=1), SIDE // 4)
    torch.testing.assert_close(paper.features, (7 * coverage).expand_as(paper.features))
    assert torch.equal(paper.judged, default.judged)


@pytest.mark.parametrize("count, judged", [(0, False), (2, False), (3, True), (40, True), (200, True)])
def test_parts_with_few_points_have_fewer_and_smaller_groups_and_those_with_hardly_any_are_not_judged(count, judged):
    frames = one(scans((9,), lost=0.0), 0)
    rows, columns = frames.foreground[0].nonzero().T
    left = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    left[rows[:count], columns[:count]] = True
    frames = replace(frames, xyz=frames.xyz.masked_fill(~left, torch.nan))
    found = both().geometry(frames)
    assert found.features.isfinite().all()
    assert bool(found.features.any()) == judged
    assert not found.judged.any() or judged
    assert bool(found.judged.any()) == (count >= 40)


def test_an_empty_part_beside_others_leaves_them_as_they_are():
    frames = scans()
    found = both().geometry(frames)
    frames.foreground[1] = False
    again = both().geometry(frames)
    assert not again.judged[1].any()
    assert not again.features[1].any()
    for place in (0, 2, 3):
        assert torch.equal(again.features[place], found.features[place])
    colours = both().colour(frames)
    assert not colours.judged[1].any()


def test_features_may_take_part_in_training():
    """What inference leaves may not be kept for gradients; a fusion that is trained on features keeps them."""
    frames = scans()
    weight = torch.ones((), requires_grad=True)
    for found in (both().colour(frames), both().geometry(frames)):
        assert not found.features.requires_grad
        (found.features * weight).sum().backward()


def test_given_frames_are_left_as_they_are():
    frames = scans()
    before = frames.rgb.clone(), frames.xyz.clone(), frames.foreground.clone()
    both().colour(frames)
    both().geometry(frames)
    torch.testing.assert_close((frames.rgb, frames.xyz, frames.foreground), before, rtol=0, atol=0, equal_nan=True)


COLOUR_FILES = {
    "facebook": lambda state: {"teacher": {f"backbone.{key}": value for key, value in state.items()}},
    "timm": lambda state: state | {"head.weight": torch.ones(3, 12)},
}
POINT_FILES = {
    "Point-MAE": lambda state: {
        "base_model": {f"module.MAE_encoder.{key}": value for key, value in state.items()}
        | {"module.mask_token": torch.ones(12)}
    },
    "an encoder": lambda state: state,
}


@pytest.mark.parametrize("colours", COLOUR_FILES)
@pytest.mark.parametrize("points", POINT_FILES)
def test_encoders_come_from_files_as_they_are_published(colours, points, tmp_path):
    torch.save(COLOUR_FILES[colours](vit_state()), tmp_path / "dino.pth")
    torch.save(POINT_FILES[points](point_mae_state()), tmp_path / "points.pth")
    model = Pretrained.load(
        vit=tmp_path / "dino.pth", point_mae=tmp_path / "points.pth", vit_config=COLOUR, point_mae_config=POINTS
    )
    frames = scans()
    assert same(model.colour(frames), both().colour(frames))
    assert same(model.geometry(frames), both().geometry(frames))
    assert {name: report.missing for name, report in model.reports.items()} == {"vit": (), "point_mae": ()}
    assert model.reports["vit"].unexpected == (("head.weight",) if colours == "timm" else ())


def test_one_encoder_is_enough_for_its_own_features(tmp_path):
    save_file(vit_state(), tmp_path / "dino.safetensors")
    model = Pretrained.load(vit=tmp_path / "dino.safetensors", vit_config=COLOUR)
    assert list(model.reports) == ["vit"]
    frames = scans()
    assert same(model.colour(replace(frames, xyz=None)), both().colour(frames))
    with pytest.raises(
        InputError, match="features of points need weights of their encoder: give the file as point_mae"
    ):
        model.geometry(frames)
    alone = Pretrained(point_mae=encoder())
    assert same(alone.geometry(replace(frames, rgb=None)), both().geometry(frames))
    with pytest.raises(InputError, match="features of colours need weights of their encoder: give the file as vit"):
        alone.colour(frames)


def test_no_encoder_another_size_and_no_such_device_are_refused(tmp_path):
    with pytest.raises(InputError, match="need weights of an encoder"):
        Pretrained.load()
    save_file(vit_state(), tmp_path / "dino.safetensors")
    with pytest.raises(InputError, match=r"lacks .* keys of VisionTransformer"):
        Pretrained.load(vit=tmp_path / "dino.safetensors")  # of four layers, not of twelve
    with pytest.raises(InputError, match="device='abacus' is not a device"):
        Pretrained(vit=vit(), device="abacus")


def test_frames_without_what_is_asked_for_and_other_modes_are_refused():
    frames = scans()
    with pytest.raises(InputError, match="have no colours"):
        both().colour(replace(frames, rgb=None))
    with pytest.raises(InputError, match="have no points"):
        both().geometry(replace(frames, xyz=None))
    with pytest.raises(InputError, match="mode='both': expected one of default, paper"):
        both().geometry(frames, mode="both")
    with pytest.raises(InputError, match="cannot be cut into patches of 8 x 8"):
        both().colour(Frames(torch.rand(1, 3, 30, 30), None, torch.ones(1, 30, 30, dtype=torch.bool), (), ()))


def saved(model, folder):
    """As a model's folder holds it."""
    state = State(values={"encoders": model.configs()}, tensors={"encoders": model.tensors()})
    write_folder(folder, header={"kind": "test"}, state=state)
    state = read_folder(folder)[1]
    return Pretrained.from_tensors(state.tensors["encoders"], state.values["encoders"])


@pytest.mark.parametrize("parts", [{"vit": vit}, {"point_mae": encoder}, {"vit": vit, "point_mae": encoder}])
def test_what_is_saved_in_a_folder_comes_back_the_same(parts, tmp_path):
    model = Pretrained(**{name: build() for name, build in parts.items()})
    again = saved(model, tmp_path / "model")
    frames = scans()
    assert (again.vit is None, again.point_mae is None) == (model.vit is None, model.point_mae is None)
    assert model.vit is None or same(again.colour(frames), model.colour(frames))
    assert model.point_mae is None or same(again.geometry(frames), model.geometry(frames))
    assert again.configs() == model.configs()
    assert not any(weight.requires_grad for weight in (again.vit or again.point_mae).parameters())


def without(name):
    return lambda tensors, configs: tensors.pop(name)


@pytest.mark.parametrize(
    "change, message",
    [
        (without("vit.positions"), "the saved vit needs positions: not among its tensors"),
        (lambda tensors, _: tensors.update({"vit.more": torch.ones(1)}), "the saved vit has no more$"),
        (lambda tensors, _: tensors.update({"ears.norm": torch.ones(1)}), "belongs to none: ears.norm"),
        (lambda _, configs: configs.update(ears={}), "belongs to none: ears, point_mae, vit"),
        (lambda _, configs: configs.pop("vit"), "belongs to none: vit.class_token"),
        (lambda tensors, _: tensors.update({"vit.norm.bias": torch.ones(5)}), r"shape \(5,\), expected \(12,\)"),
        (lambda tensors, _: tensors["point_mae.norm.bias"].fill_(torch.nan), "saved point_mae must hold finite"),
        (lambda tensors, _: tensors.update({"vit.norm.bias": torch.ones(12).int()}), "must hold finite real numbers"),
        (lambda _, configs: configs["vit"].update(layers=10**9), "more layers than weights"),
        (lambda _, configs: configs["vit"].update(side=10**9), "sizes that no encoder has"),
        (lambda _, configs: configs["vit"].update(side=-1), "side=-1"),
        (lambda _, configs: configs["vit"].update(eyes=2), "sizes of the saved vit are not what it has: .*eyes"),
        (lambda _, configs: configs["point_mae"].update(taken=3), "sizes of the saved point_mae"),
    ],
)
def test_what_was_changed_after_it_was_saved_is_refused(change, message):
    model = both()
    tensors = {name: tensor.clone() for name, tensor in model.tensors().items()}
    configs = model.configs()
    change(tensors, configs)
    with pytest.raises(InputError, match=message):
        Pretrained.from_tensors(tensors, configs)
