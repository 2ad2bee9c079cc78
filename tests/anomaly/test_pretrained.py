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
from latticework.anomaly.preparation.frames import Frame
from latticework.anomaly.preparation.squares import Square
from latticework.core import State
from latticework.core.errors import InputError
from latticework.core.persistence import read_folder, write_folder

SIDE = 32
MODES = pytest.mark.parametrize("mode", ["default", "paper"])


def scan(radius=12, *, seed=1, lost=0.05):
    """A round part, scanned in colour and 3D; what lies beside it is seen too."""
    line = torch.arange(SIDE) - SIDE / 2
    xyz = with_holes(bumpy(SIDE, seed=seed), lost, seed=seed)[0].float()
    rgb = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return Frame(rgb, xyz, torch.hypot(line[:, None], line) < radius, Square(SIDE, SIDE, SIDE))


SIZES = pytest.mark.parametrize("radius", [20, 12, 9, 6])


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


@SIZES
def test_colours_are_those_of_the_encoder_with_black_beside_the_part(radius):
    frame = scan(radius)
    found = both().colour(frame)
    assert torch.equal(found.features, vit()(torch.where(frame.foreground, frame.rgb, 0.0)[None]))
    assert found.features.shape == (1, COLOUR.d_model, SIDE // 8, SIDE // 8)
    share = frame.foreground.float().unfold(0, 8, 8).unfold(1, 8, 8).mean((2, 3))
    assert torch.equal(found.judged[0], share >= SHARE)


@MODES
@SIZES
def test_features_of_points_are_those_of_the_picture_that_is_never_made(mode, radius):
    """Groups, Point-MAE, interpolation to every point, 3 x 3 averages, averages over patches: a step at a time."""
    frame = scan(radius)
    points = torch.where(frame.foreground, frame.xyz, torch.nan).flatten(1).mT
    groups = nearest_groups(points, farthest_points(points, 1024), 128)
    weights = interpolation(points, groups.centres)
    picture = at_points(encoder()(groups.members[None], groups.centres[None])[0], weights).mT.unflatten(1, (SIDE, SIDE))
    known = (~points.isnan().any(1)).float().view(1, SIDE, SIDE)
    averages, coverage = (
        F.adaptive_avg_pool2d(F.avg_pool2d(each, 3, stride=1), SIDE // 4) for each in (picture, known)
    )
    if mode == "default":
        averages = (averages / coverage).nan_to_num(nan=0.0)
    found = both().geometry(frame, mode=mode)
    torch.testing.assert_close(found.features[0], averages, rtol=1e-4, atol=1e-5)
    assert torch.equal(found.judged, coverage.round(decimals=5) >= SHARE)
    assert found.features.shape == (1, POINTS.channels, SIDE // 4, SIDE // 4)


def test_two_runs_are_the_same_whatever_state_encoders_and_random_numbers_are_in():
    frame = scan()
    model = both()
    first = model.colour(frame), model.geometry(frame)
    model.vit.train()
    model.point_mae.train()
    torch.rand(5)
    assert all(map(same, first, (model.colour(frame), model.geometry(frame))))


def test_what_lies_beside_the_part_does_not_enter():
    frame, model = scan(), both()
    beside = ~frame.foreground
    changed = replace(frame, rgb=frame.rgb.masked_fill(beside, 0.7), xyz=frame.xyz + 0.3 * beside)
    assert same(model.colour(changed), model.colour(frame))
    assert same(model.geometry(changed), model.geometry(frame))


def test_a_constant_field_stays_constant_up_to_the_outline():
    found = constant().geometry(scan(lost=0.3))
    expected = torch.full_like(found.features, 7.0)
    known = found.features.abs().amax(1) > 0
    assert (known | ~found.judged).all()
    torch.testing.assert_close(found.features.movedim(1, 3)[known], expected.movedim(1, 3)[known])


def test_as_in_the_papers_code_patches_are_dimmed_by_what_has_no_points():
    frame = scan(lost=0.3)
    paper, default = (constant().geometry(frame, mode=each) for each in ("paper", "default"))
    known = (frame.foreground & ~frame.xyz.isnan().any(0)).float()[None, None]
    coverage = F.adaptive_avg_pool2d(F.avg_pool2d(known, 3, stride=1), SIDE // 4)
    torch.testing.assert_close(paper.features, (7 * coverage).expand_as(paper.features))
    assert torch.equal(paper.judged, default.judged)


@pytest.mark.parametrize("count, judged", [(0, False), (2, False), (3, True), (40, True), (200, True)])
def test_parts_with_few_points_have_fewer_and_smaller_groups_and_those_with_hardly_any_are_not_judged(count, judged):
    frame = scan(9, lost=0.0)
    rows, columns = frame.foreground.nonzero().T
    left = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    left[rows[:count], columns[:count]] = True
    frame = replace(frame, xyz=frame.xyz.masked_fill(~left, torch.nan))
    found = both().geometry(frame)
    assert found.features.isfinite().all()
    assert bool(found.features.any()) == judged
    assert not found.judged.any() or judged
    assert bool(found.judged.any()) == (count >= 40)


def test_nothing_is_judged_of_an_empty_part():
    frame = replace(scan(), foreground=torch.zeros(SIDE, SIDE, dtype=torch.bool))
    found = both().geometry(frame)
    assert not found.judged.any()
    assert not found.features.any()
    assert not both().colour(frame).judged.any()


def test_features_may_take_part_in_training():
    """What inference leaves may not be kept for gradients; a fusion that is trained on features keeps them."""
    frame = scan()
    weight = torch.ones((), requires_grad=True)
    for found in (both().colour(frame), both().geometry(frame)):
        assert not found.features.requires_grad
        (found.features * weight).sum().backward()


def test_a_given_frame_is_left_as_it_is():
    frame = scan()
    before = frame.rgb.clone(), frame.xyz.clone(), frame.foreground.clone()
    both().colour(frame)
    both().geometry(frame)
    torch.testing.assert_close((frame.rgb, frame.xyz, frame.foreground), before, rtol=0, atol=0, equal_nan=True)


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
    frame = scan()
    assert same(model.colour(frame), both().colour(frame))
    assert same(model.geometry(frame), both().geometry(frame))
    assert {name: report.missing for name, report in model.reports.items()} == {"vit": (), "point_mae": ()}
    assert model.reports["vit"].unexpected == (("head.weight",) if colours == "timm" else ())


def test_one_encoder_is_enough_for_its_own_features(tmp_path):
    save_file(vit_state(), tmp_path / "dino.safetensors")
    model = Pretrained.load(vit=tmp_path / "dino.safetensors", vit_config=COLOUR)
    assert list(model.reports) == ["vit"]
    frame = scan()
    assert same(model.colour(replace(frame, xyz=None)), both().colour(frame))
    with pytest.raises(
        InputError, match="features of points need weights of their encoder: give the file as point_mae"
    ):
        model.geometry(frame)
    alone = Pretrained(point_mae=encoder())
    assert same(alone.geometry(replace(frame, rgb=None)), both().geometry(frame))
    with pytest.raises(InputError, match="features of colours need weights of their encoder: give the file as vit"):
        alone.colour(frame)


def test_no_encoder_another_size_and_no_such_device_are_refused(tmp_path):
    with pytest.raises(InputError, match="need weights of an encoder"):
        Pretrained.load()
    save_file(vit_state(), tmp_path / "dino.safetensors")
    with pytest.raises(InputError, match=r"lacks .* keys of VisionTransformer"):
        Pretrained.load(vit=tmp_path / "dino.safetensors")  # of four layers, not of twelve
    with pytest.raises(InputError, match="device='abacus' is not a device"):
        Pretrained(vit=vit(), device="abacus")


def test_a_frame_without_what_is_asked_for_and_other_modes_are_refused():
    frame = scan()
    with pytest.raises(InputError, match="has no colours"):
        both().colour(replace(frame, rgb=None))
    with pytest.raises(InputError, match="has no points"):
        both().geometry(replace(frame, xyz=None))
    with pytest.raises(InputError, match="mode='both': expected one of default, paper"):
        both().geometry(frame, mode="both")
    with pytest.raises(InputError, match="cannot be cut into patches of 8 x 8"):
        both().colour(Frame(torch.rand(3, 30, 30), None, torch.ones(30, 30, dtype=torch.bool), Square(30, 30, 30)))


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
    frame = scan()
    assert (again.vit is None, again.point_mae is None) == (model.vit is None, model.point_mae is None)
    assert model.vit is None or same(again.colour(frame), model.colour(frame))
    assert model.point_mae is None or same(again.geometry(frame), model.geometry(frame))
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
