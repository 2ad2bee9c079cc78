import numpy as np
import pytest
import torch
from anomaly.encoders import COLOUR, POINTS, encoder, point_mae_state, vit, vit_state
from safetensors.torch import save_file

from latticework.anomaly.encoders.checkpoint_keys import (
    DINO_NAMES,
    POINT_MAE_NAMES,
    match,
    point_mae_keys,
    some,
    vit_keys,
)
from latticework.anomaly.encoders.point_mae import POINT_MAE
from latticework.anomaly.encoders.vit import VIT_B8
from latticework.anomaly.encoders.weights import load_point_mae, load_vit
from latticework.core.errors import InputError


def named(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def head(prefix=""):
    return {f"{prefix}head.mlp.0.weight": torch.ones(4, 12), f"{prefix}head.last_layer.weight_g": torch.ones(4, 1)}


def decoder(prefix=""):
    """What else Point-MAE's pre-training saves, some of which is called like parts of the encoder."""
    parts = ("mask_token", "decoder_pos_embed.0.weight", "MAE_decoder.blocks.0.norm1.weight", "MAE_decoder.norm.weight")
    return {prefix + name: torch.ones(12) for name in (*parts, "increase_dim.0.bias")}


def wrong(state):
    """As many weights, all of them others."""
    return {name: tensor + 1 for name, tensor in state.items()}


COLOUR_FILES = {
    "facebook": lambda state: state,
    "timm": lambda state: state | {"head.weight": torch.ones(10, 12), "head.bias": torch.ones(10)},
    "timm in training": lambda state: {"epoch": 3, "arch": "vit", "state_dict": named("module.", state)},
    "a model in a dictionary": lambda state: {"model": state, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
    "DINO's training": lambda state: {
        "student": named("module.backbone.", wrong(state)) | head("module."),
        "teacher": named("backbone.", state) | head(),
        "epoch": 100,
    },
    "DINO's training on several": lambda state: {
        "teacher": named("module.backbone.", state) | head("module."),
        "student": named("module.backbone.", wrong(state)),
    },
    "a student alone": lambda state: {"student": named("module.backbone.", state) | head("module.")},
    "a backbone": lambda state: named("backbone.", state) | head(),
}
POINT_FILES = {
    "Point-MAE's pre-training": lambda state: {
        "base_model": named("module.MAE_encoder.", state) | decoder("module."),
        "optimizer": {"param_groups": [{"lr": 0.1}]},
        "epoch": 300,
    },
    "on one device": lambda state: {"base_model": named("MAE_encoder.", state) | decoder()},
    "fine-tuned": lambda state: {"base_model": named("module.", state) | {"module.cls_token": torch.ones(1, 1, 12)}},
    "within a base model": lambda state: {"base_model": named("module.base_model.", state)},
    "the encoder": lambda state: state,
}


def flat(state):
    """As safetensors hold it."""
    found = {}
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            found[name] = value.contiguous()
        elif isinstance(value, dict):
            found |= named(f"{name}.", {key: each for key, each in value.items() if isinstance(each, torch.Tensor)})
    return found


def save(path, state):
    if path.suffix == ".safetensors":
        save_file(flat(state), path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("source", COLOUR_FILES)
def test_colour_encoders_are_read_from_what_is_published_with_no_key_missing(source, suffix, tmp_path):
    state = COLOUR_FILES[source](vit_state())
    model, report = load_vit(save(tmp_path / f"some{suffix}", state), COLOUR)
    assert report.missing == ()
    assert report.found.keys() == vit_state().keys()
    assert set(report.found.values()) | set(report.unexpected) == set(flat(state))
    assert not set(report.found.values()) & set(report.unexpected)
    rgb = torch.rand(1, 3, 32, 32)
    assert torch.equal(model(rgb), vit()(rgb))
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("source", POINT_FILES)
def test_point_encoders_are_read_from_what_is_published_with_no_key_missing(source, suffix, tmp_path):
    state = POINT_FILES[source](point_mae_state())
    model, report = load_point_mae(save(tmp_path / f"some{suffix}", state), POINTS)
    assert report.missing == ()
    assert set(report.found.values()) | set(report.unexpected) == set(flat(state))
    given = torch.rand(1, 6, 5, 3), torch.rand(1, 6, 3)
    assert torch.equal(model(*given), encoder()(*given))


def test_heads_and_decoders_are_listed_and_no_error(tmp_path):
    state = COLOUR_FILES["DINO's training"](vit_state())
    _, report = load_vit(save(tmp_path / "some.pth", state), COLOUR)
    assert report.group == "teacher."
    assert {"teacher.head.mlp.0.weight", "student.module.backbone.cls_token"} <= set(report.unexpected)
    assert str(report) == (
        "42 keys found, 0 missing, 46 unexpected: student.module.backbone.cls_token, "
        "student.module.backbone.pos_embed, student.module.backbone.patch_embed.proj.weight and 43 more"
    )
    state = POINT_FILES["Point-MAE's pre-training"](point_mae_state())
    _, report = load_point_mae(save(tmp_path / "some.pth", state), POINTS)
    assert "base_model.module.MAE_decoder.norm.weight" in report.unexpected


def test_every_parameter_of_an_encoder_has_a_key_of_its_own():
    from latticework.anomaly.encoders.point_mae import PointMAE
    from latticework.anomaly.encoders.vit import VisionTransformer

    for kind, config, keys in ((VisionTransformer, VIT_B8, vit_keys), (PointMAE, POINT_MAE, point_mae_keys)):
        with torch.device("meta"):
            names = list(kind(config).state_dict())
        assert sorted(keys(config).values()) == sorted(names)


def test_of_a_whole_teacher_and_a_whole_student_the_teacher_is_taken_and_else_the_more_complete_one():
    keys = ["a", "b"]
    assert match(["student.a", "student.b", "teacher.a", "teacher.b"], keys, DINO_NAMES).group == "teacher."
    report = match(["student.a", "student.b", "teacher.a"], keys, DINO_NAMES)
    assert report.group == "student."
    assert report.unexpected == ("teacher.a",)
    nothing = match(["c"], keys, DINO_NAMES)
    assert (nothing.found, nothing.missing, nothing.unexpected) == ({}, ("a", "b"), ("c",))


@pytest.mark.parametrize("key", ["cls_token", "blocks.2.attn.qkv.bias", "norm.weight"])
def test_a_key_of_the_colour_encoder_that_is_missing_is_an_error_that_names_it(key, tmp_path):
    state = vit_state() | {"else": torch.ones(1)}
    del state[key]
    with pytest.raises(InputError, match=rf"some\.pth lacks 1 key of VisionTransformer: {key}; it has 1 .*: else"):
        load_vit(save(tmp_path / "some.pth", state), COLOUR)


def test_a_key_of_the_point_encoder_that_is_missing_is_an_error_that_names_it(tmp_path):
    state = named("module.MAE_encoder.", point_mae_state())
    del state["module.MAE_encoder.encoder.first_conv.1.running_mean"]
    with pytest.raises(InputError, match=r"lacks 1 key of PointMAE: encoder\.first_conv\.1\.running_mean"):
        load_point_mae(save(tmp_path / "some.pth", {"base_model": state}), POINTS)


def test_weights_of_another_encoder_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"lacks \d+ keys of PointMAE: .* and \d+ more; it has 40 tensors of"):
        load_point_mae(save(tmp_path / "some.pth", vit_state()), POINTS)
    with pytest.raises(InputError, match=r"lacks 42 keys of VisionTransformer: .*; it has 0 .*: none"):
        load_vit(save(tmp_path / "none.safetensors", {}), COLOUR)


@pytest.mark.parametrize(
    "key, shape",
    [("pos_embed", (1, 5, 12)), ("patch_embed.proj.weight", (12, 3, 16, 16)), ("blocks.0.attn.qkv.weight", (36, 13))],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_weight_of_another_shape_is_an_error_that_has_both_shapes(key, shape, suffix, tmp_path):
    state = vit_state()
    expected = tuple(state[key].shape)
    path = save(tmp_path / f"some{suffix}", named("backbone.", state | {key: torch.ones(shape)}))
    with pytest.raises(InputError) as error:
        load_vit(path, COLOUR)
    assert str(error.value).startswith(f"{path}: 'backbone.{key}' has the shape {shape}, expected {expected}")


def test_convolutions_have_an_axis_more_than_linear_layers(tmp_path):
    state = point_mae_state()
    key = "encoder.second_conv.0.weight"
    state[key] = state[key].squeeze(-1)
    with pytest.raises(InputError, match=r"has the shape \(12, 12\), expected \(12, 12, 1\)"):
        load_point_mae(save(tmp_path / "some.pth", state), POINTS)


def test_what_expands_to_a_large_shape_is_refused_by_its_shape(tmp_path):
    """A view of one number may say that it has any shape, in a file of a few bytes."""
    state = vit_state() | {"cls_token": torch.ones(1).expand(2**20, 2**20, 2**19)}
    with pytest.raises(InputError, match=r"'cls_token' has the shape \(1048576, 1048576, 524288\)"):
        load_vit(save(tmp_path / "some.pth", state), COLOUR)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_become_float32(dtype, tmp_path):
    state = {name: tensor.to(dtype) for name, tensor in vit_state().items()}
    model, _ = load_vit(save(tmp_path / "some.safetensors", state), COLOUR)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}
    torch.testing.assert_close(model.norm.bias, state["norm.bias"].float(), rtol=0, atol=0)


@pytest.mark.parametrize(
    "value, message",
    [
        (torch.full((12,), torch.nan), "values that are not finite"),
        (torch.full((12,), 1e300, dtype=torch.float64), "values that are not finite in float32"),
        (torch.ones(12, dtype=torch.int64), "int64.*, expected dense real numbers"),
        (torch.ones(12).to_sparse(), "sparse_coo, expected dense real numbers"),
        (torch.ones(12, dtype=torch.complex64), "complex64"),
        (torch.empty(12, device="meta"), "expected dense real numbers"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(value, message, tmp_path):
    with pytest.raises(InputError, match=f"'norm.bias' .*{message}"):
        load_vit(save(tmp_path / "some.pth", vit_state() | {"norm.bias": value}), COLOUR)


def test_a_variance_below_zero_is_refused(tmp_path):
    state = point_mae_state()
    state["encoder.first_conv.1.running_var"][3] = -0.1
    with pytest.raises(InputError, match=r"'encoder\.first_conv\.1\.running_var' has a variance below 0"):
        load_point_mae(save(tmp_path / "some.pth", state), POINTS)


def test_two_names_for_one_key_are_refused(tmp_path):
    state = vit_state() | {"module.cls_token": torch.ones(1, 1, 12)}
    with pytest.raises(InputError, match=r"some\.pth: 'cls_token' and 'module\.cls_token' are both 'cls_token'"):
        load_vit(save(tmp_path / "some.pth", state), COLOUR)


def test_two_names_for_one_key_do_no_harm_where_they_are_not_taken():
    names = ["base_model.module.a", "base_model.module.b", "a"]
    report = match(names, ["a", "b"], POINT_MAE_NAMES)
    assert (report.group, report.unexpected) == ("base_model.", ("a",))


def test_names_that_would_disturb_a_terminal_are_shown_as_escapes_and_long_ones_cut():
    assert some(["a\x1b[2J", "module." * 50]) == f"a\\x1b[2J, {'module.' * 14}mo..."


def test_long_names_take_no_longer_than_reading_them():
    name = "module." * 200_000
    assert match([name], ["a"], DINO_NAMES).unexpected == (name,)


def test_weights_stay_when_the_file_is_gone_or_overwritten(tmp_path):
    for suffix in (".safetensors", ".pth"):
        path = save(tmp_path / f"some{suffix}", vit_state())
        model, _ = load_vit(path, COLOUR)
        rgb = torch.rand(1, 3, 32, 32)
        before = model(rgb)
        with path.open("r+b") as stream:
            stream.write(np.random.default_rng(0).bytes(path.stat().st_size))
        assert torch.equal(model(rgb), before)
