import numpy as np
import pytest
import torch
from anomaly.encoders import vit
from reference import vit_outputs

from latticework.anomaly.encoders.vit import VIT_B8, VisionTransformer, ViTConfig, resized_positions, standardised
from latticework.core.errors import InputError


def pictures(*size, seed=0):
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "source, size",
    [("transformers", vit_outputs.TRAINED), *[("dino", size) for size in vit_outputs.SIZES]],
)
def test_features_are_those_of_public_implementations_at_the_trained_size_and_at_others(source, size):
    rgb, expected = torch.from_numpy(vit_outputs.pictures(size)), vit_outputs.stored(source, size)
    model = vit()
    np.testing.assert_allclose(model.double()(rgb.double()), expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(model.float()(rgb), expected, rtol=0, atol=1e-4)


def test_pictures_do_not_depend_on_those_beside_them_to_the_last_bit():
    model, rgb = vit(), pictures(4, 3, 32, 48)
    batch = model(rgb)
    for number, picture in enumerate(rgb):
        assert torch.equal(model(picture[None])[0], batch[number])
    assert torch.equal(model(rgb), batch)


def test_there_is_no_training_mode_and_weights_take_no_gradients():
    model, rgb = vit(), pictures(1, 3, 32, 32)
    assert torch.equal(model.train()(rgb), model.eval()(rgb))
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_positions_of_the_trained_size_stay_as_they_are():
    positions = torch.randn(1, 17, 5)
    assert resized_positions(positions, 4, 4) is positions
    resized = resized_positions(positions, 2, 8)  # as many, in another order
    assert torch.equal(resized[:, 0], positions[:, 0])
    assert not torch.allclose(resized, positions)


def test_positions_that_are_the_same_everywhere_stay_so_at_every_size():
    positions = torch.ones(1, 17, 3, dtype=torch.float64)
    for rows in range(1, 30):
        resized = resized_positions(positions, rows, 31 - rows)
        torch.testing.assert_close(resized, torch.ones(1, 1 + rows * (31 - rows), 3).double())


def test_rows_and_columns_are_not_swapped():
    """Without layers a patch is its pixels and its position; one bright patch shows where it is."""
    model = vit()
    model.layers = torch.nn.ModuleList()
    rgb = torch.zeros(1, 3, 24, 40)
    before = model(rgb)
    rgb[:, :, 16:24, 8:16] = 1
    changed = (model(rgb) - before)[0].abs().amax(0) > 1e-6
    assert changed.nonzero().tolist() == [[2, 1]]


def test_colours_are_standardised_as_for_imagenet():
    expected = (np.float64(0.25) - vit_outputs.MEAN) / vit_outputs.DEVIATION
    np.testing.assert_allclose(standardised(torch.full((2, 3, 1, 1), 0.25))[1, :, 0, 0], expected, rtol=1e-6)


def test_the_default_is_vit_b_8():
    with torch.device("meta"):
        model = VisionTransformer(VIT_B8)
    assert sum(parameter.numel() for parameter in model.parameters()) == 85_807_872


@pytest.mark.parametrize("shape", [(0, 3, 16, 16), (1, 3, 0, 16)])
def test_pictures_without_pixels_are_refused(shape):
    with pytest.raises(InputError, match="expected pictures, got colours of the shape"):
        vit()(torch.zeros(shape))


@pytest.mark.parametrize("size", [(30, 32), (32, 31), (4, 32)])
def test_a_picture_that_cannot_be_cut_into_patches_is_refused(size):
    with pytest.raises(InputError, match=rf"{size[0]} x {size[1]} pixels .* patches of 8 x 8"):
        vit()(torch.zeros(1, 3, *size))


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"heads": 5}, "d_model=768: expected a multiple of heads=5"),
        ({"patch": 0}, "patch=0"),
        ({"side": -1}, "side=-1: expected a whole number of at least 1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changed, message):
    with pytest.raises(InputError, match=message):
        ViTConfig(**changed)
