import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reference import uff

from latticework.anomaly.fusion import feature_fusion
from latticework.anomaly.fusion.feature_fusion import FeatureFusion, FusionFigures, contrast, figures, info_nce
from latticework.core.errors import InputError
from latticework.core.persistence import State, read_folder, write_folder

AUTHORS = {".norm": "_norm", ".expand": "_mlp.fc1", ".contract": "_mlp.fc2", ".head": "_head"}


def random_fusion(xyz=4, rgb=3, head=5, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    fusion = FeatureFusion(xyz, rgb, head=head)
    for parameter in fusion.parameters():  # biases and norms too, which begin as 0 and 1
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return fusion


def patches(count, xyz=4, rgb=3, *, seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, width, generator=generator, dtype=dtype) for width in (xyz, rgb))


def part(fusion, name):
    return {key.removeprefix(f"{name}."): value for key, value in fusion.named_parameters() if key.startswith(name)}


def test_loss_and_gradients_are_those_of_the_transcription():
    fusion = random_fusion().double()
    xyz, rgb = patches(6)
    sides = part(fusion, "xyz"), part(fusion, "rgb")
    fast = contrast(fusion, xyz, rgb) / 6
    literal = uff.loss(xyz, rgb, *sides)
    torch.testing.assert_close(fast, literal, rtol=1e-12, atol=1e-12)
    parameters = list(fusion.parameters())
    expected = torch.autograd.grad(literal, parameters)
    for found, wanted in zip(torch.autograd.grad(fast, parameters), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_fused_features_are_those_of_the_transcription():
    fusion = random_fusion().double()
    xyz, rgb = patches(3)
    for row, *patch in zip(fusion(xyz, rgb), xyz, rgb, strict=True):
        expected = torch.stack(uff.fused(*patch, part(fusion, "xyz"), part(fusion, "rgb")))
        torch.testing.assert_close(row, expected, rtol=1e-12, atol=1e-12)


def test_gradients_are_finite_differences():
    fusion = random_fusion().double()
    inputs = [features.requires_grad_() for features in patches(5)]
    assert torch.autograd.gradcheck(lambda xyz, rgb: contrast(fusion, xyz, rgb), inputs)
    keys = [F.normalize(each, dim=1).requires_grad_() for each in patches(7, 4, 4)]
    assert torch.autograd.gradcheck(info_nce, keys)


@pytest.mark.parametrize("count", [1, 2, 100])
def test_equal_embeddings_lose_log_n(count):
    alike = F.normalize(torch.ones(count, 8, dtype=torch.float64), dim=1)
    expected = count * torch.tensor(count, dtype=torch.float64).log()
    torch.testing.assert_close(info_nce(alike, alike), expected)


def test_many_patches_lose_what_the_whole_matrix_of_logits_says():
    queries, keys = (F.normalize(each, dim=1) for each in patches(3000, 16, 16, dtype=torch.float32))
    expected = F.cross_entropy(queries.double() @ keys.double().T, torch.arange(3000), reduction="sum")
    torch.testing.assert_close(info_nce(queries, keys).double(), expected, rtol=1e-5, atol=0)


def test_the_order_of_patches_does_not_matter():
    fusion = random_fusion().double()
    xyz, rgb = patches(9)
    order = torch.tensor([3, 1, 8, 0, 2, 7, 5, 6, 4])
    torch.testing.assert_close(contrast(fusion, xyz[order], rgb[order]), contrast(fusion, xyz, rgb))


def test_a_patch_without_a_feature_is_nan_and_leaves_the_others_alone():
    fusion = random_fusion()
    xyz, rgb = patches(40, dtype=torch.float32)
    expected = fusion(xyz, rgb)
    xyz[7, 2] = torch.nan
    fused = fusion(xyz, rgb)
    assert fused[7, :4].isnan().all()
    others = torch.arange(40) != 7
    torch.testing.assert_close(fused[others], expected[others])


def test_a_saved_fusion_is_the_same(tmp_path):
    fusion = random_fusion()
    write_folder(tmp_path / "model", header={}, state=State(tensors={"fusion": fusion.tensors()}))
    _, state = read_folder(tmp_path / "model")
    again = FeatureFusion.from_tensors(state.tensors["fusion"])
    xyz, rgb = patches(4, dtype=torch.float32)
    assert torch.equal(again(xyz, rgb), fusion(xyz, rgb))
    assert not again.training


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_authors_names_are_understood(prefix):
    fusion = random_fusion()
    named = {}
    for name, tensor in fusion.tensors().items():
        for ours, theirs in AUTHORS.items():
            name = name.replace(ours, theirs)
        named[prefix + name] = tensor.half()
    assert f"{prefix}xyz_mlp.fc1.weight" in named
    again = FeatureFusion.from_tensors(named)
    xyz, rgb = patches(4, dtype=torch.float32)
    torch.testing.assert_close(again(xyz, rgb), fusion(xyz, rgb), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda tensors: tensors.pop("xyz.norm.weight"), "needs xyz.norm.weight"),
        (lambda tensors: tensors.pop("rgb.expand.bias"), "needs rgb.expand.bias"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "has no extra"),
        (
            lambda tensors: tensors.update({"rgb.head.bias": torch.zeros(4)}),
            r"rgb.head.bias .* \(4,\), expected \(5,\)",
        ),
        (lambda tensors: tensors.update({"xyz.norm.weight": torch.zeros(())}), "needs xyz.norm.weight"),
        (lambda tensors: tensors["xyz.head.bias"].fill_(torch.nan), "xyz.head.bias .* finite"),
        (lambda tensors: tensors.update({"rgb.head.bias": torch.zeros(5, dtype=torch.int64)}), "real numbers"),
    ],
)
def test_tensors_that_are_no_fusion_are_refused(change, told):
    tensors = random_fusion().tensors()
    change(tensors)
    with pytest.raises(InputError, match=told):
        FeatureFusion.from_tensors(tensors)


def test_figures_are_those_of_the_whole_matrix(monkeypatch):
    monkeypatch.setattr(feature_fusion, "_BLOCK", 7)
    fusion = random_fusion(head=16).double()
    xyz, rgb = patches(30)
    found = figures(fusion, xyz, rgb)
    cosines = fusion.rgb.compared(rgb) @ fusion.xyz.compared(xyz).T
    expected = contrast(fusion, xyz, rgb).item() / 30
    assert found.accuracy == (cosines.argmax(1) == torch.arange(30)).double().mean().item()
    assert (found.loss, found.patches) == (pytest.approx(expected), 30)


def test_embeddings_that_say_nothing_are_never_right():
    fusion = FeatureFusion(4, 3, head=5)
    for tower in (fusion.xyz, fusion.rgb):
        tower.head.weight.data.zero_()
        tower.head.bias.data.fill_(1.0)
    found = figures(fusion, *patches(20, dtype=torch.float32))
    assert found.accuracy == 0
    assert found.loss == pytest.approx(found.chance, rel=1e-6)
    assert found.information == pytest.approx(0, abs=1e-6)


def test_information_is_what_chance_loses_more():
    assert FusionFigures(loss=1.0, accuracy=0.5, patches=100).information == pytest.approx(np.log(100) - 1)
