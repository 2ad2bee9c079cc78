import numpy as np
import pytest
import torch

from latticework.anomaly.fusion.feature_fusion import FeatureFusion
from latticework.anomaly.fusion.fusion_learning import FusionConfig, FusionTask, fit_fusion, fusion_plan
from latticework.anomaly.fusion.patch_pairs import PatchPairs, drawn
from latticework.core.errors import InputError

QUICK = FusionConfig(steps=80, warmup_steps=20, head=16, images_per_batch=3, validate_every=20)


def seen_twice(*, images=6, patches=120, latent=6, noise=0.1, shuffled=False, seed=0):
    """Features of points and of colours that come from the same hidden numbers, or if shuffled from other patches'."""
    generator = np.random.default_rng(seed)
    hidden = generator.normal(size=(images, patches, latent))
    xyz, rgb = (
        hidden @ generator.normal(size=(latent, width)) + noise * generator.normal(size=(images, patches, width))
        for width in (10, 8)
    )
    if shuffled:
        rgb = generator.permuted(rgb.reshape(-1, 8), axis=0).reshape(rgb.shape)
    return xyz.astype(np.float32), rgb.astype(np.float32)


def fit(pairs, *, config=QUICK, seed=0, held_out=(4, 5)):
    return fit_fusion(pairs, config=config, seed=seed, held_out=held_out, device="cpu")


def losses(fitted, name="loss"):
    return [row[name] for row in fitted.history if name in row]


def test_held_out_patches_that_belong_together_are_found():
    fitted = fit(PatchPairs.of(*seen_twice()))
    assert losses(fitted)[-1] < losses(fitted)[0] - 0.5
    assert fitted.figures.information > 0.5
    assert fitted.figures.accuracy > 0.5  # of 240 patches
    assert fitted.learnt
    assert not fitted.fusion.training


def test_shuffled_pairs_are_not_learnt():
    fitted = fit(PatchPairs.of(*seen_twice(shuffled=True)))
    assert fitted.figures.information < 0.05
    assert fitted.figures.accuracy < 0.05
    paired = fit(PatchPairs.of(*seen_twice()))
    assert losses(fitted)[-1] > losses(paired)[-1] + 0.5


def test_a_seed_gives_the_same_weights_and_another_seed_others():
    pairs = PatchPairs.of(*seen_twice())
    first, again, other = (fit(pairs, seed=seed).fusion.tensors() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["xyz.expand.weight"], other["xyz.expand.weight"])


def test_the_weights_that_validate_best_are_kept():
    fitted = fit(PatchPairs.of(*seen_twice(images=6, patches=20, noise=2.0)), config=QUICK)
    assert fitted.figures.loss == pytest.approx(min(losses(fitted, "valid_loss")), rel=1e-6)


def test_without_held_out_images_nothing_is_claimed():
    fitted = fit(PatchPairs.of(*seen_twice()), held_out=())
    assert fitted.figures is None
    assert not fitted.learnt


def test_half_precision_on_disk_gives_what_it_gives_in_memory(tmp_path):
    halves = [features.astype(np.float16) for features in seen_twice()]
    mapped = []
    for name, features in zip(("xyz", "rgb"), halves, strict=True):
        np.save(tmp_path / f"{name}.npy", features)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    one = fit(PatchPairs.of(*mapped)).fusion.tensors()
    other = fit(PatchPairs.of(*(features.astype(np.float32) for features in halves))).fusion.tensors()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_only_patches_that_both_modalities_have_are_learnt_from():
    xyz, rgb = seen_twice(images=3, patches=10)
    xyz[0, 3, 1], rgb[1, 4, 0] = np.nan, np.inf
    foreground = np.ones((3, 10), bool)
    foreground[2, :6] = False
    pairs = PatchPairs.of(xyz, rgb, foreground)
    assert pairs.numbers(0).tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert pairs.numbers(1).tolist() == [10, 11, 12, 13, 15, 16, 17, 18, 19]
    assert pairs.numbers(2).tolist() == [26, 27, 28, 29]
    assert foreground[0, 3]  # what was given is left as it was
    points, colours = pairs.tensors(np.array([4, 26]))
    assert np.array_equal(points, xyz[[0, 2], [4, 6]])
    assert np.array_equal(colours, rgb[[0, 2], [4, 6]])


def make_task(config, *, images=7, patches=50):
    pairs = PatchPairs.of(*seen_twice(images=images, patches=patches))
    return FusionTask(
        FeatureFusion(10, 8, head=4), pairs, np.arange(images - 1), np.array([images - 1]), config, seed=0
    )


def test_every_image_is_in_one_batch_of_an_epoch_and_batches_are_alike():
    task = make_task(FusionConfig(images_per_batch=4))
    for epoch in range(3):
        batches = task.batches(epoch)
        assert [len(batch) for batch in batches] == [150, 150]
        assert sorted(np.concatenate(batches)) == list(range(300))
    assert not np.array_equal(task.batches(0)[0], task.batches(1)[0])
    assert np.array_equal(task.batches(1)[0], task.batches(1)[0])


def test_the_patches_of_a_batch_are_bounded():
    task = make_task(FusionConfig(images_per_batch=4, most_patches=20))
    assert [len(batch) for batch in task.batches(0)] == [20, 20]
    assert len(task.held_out) == 20
    assert set(task.held_out) <= set(range(300, 350))


def test_what_is_drawn_is_drawn_evenly():
    generator = np.random.default_rng(0)
    counts = np.zeros(10)
    for _ in range(3000):
        counts[drawn(np.arange(10), 3, generator)] += 1
    assert np.abs(counts / 900 - 1).max() < 0.15


def test_the_optimiser_is_the_papers():
    plan = fusion_plan(FusionConfig())
    [group] = plan.optimizer([torch.nn.Parameter(torch.zeros(1))]).param_groups
    assert group["betas"] == (0.9, 0.95)
    assert plan.max_steps == 750
    assert max(plan.learning_rate(step) for step in range(1, 751)) == plan.learning_rate(250) == 0.003
    assert plan.learning_rate(750) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "figures, told",
    [
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"most_patches": 1}, "most_patches=1"),
        ({"head": 0}, "head=0"),
        ({"images_per_batch": 0}, "images_per_batch=0"),
        ({"steps": 10, "warmup_steps": 10}, "fewer than steps=10"),
        ({"warmup_steps": -1}, "warmup_steps=-1"),
        ({"validate_every": 1.5}, "validate_every=1.5"),
    ],
)
def test_figures_out_of_range_are_refused(figures, told):
    with pytest.raises(InputError, match=told):
        FusionConfig(**figures)


def test_features_that_do_not_fit_together_are_refused():
    xyz, rgb = seen_twice()
    with pytest.raises(InputError, match=r"\(5, 120, 8\)"):
        PatchPairs.of(xyz, rgb[:5])
    with pytest.raises(InputError, match=r"\(120, 10\)"):
        PatchPairs.of(xyz[0], rgb[0])
    with pytest.raises(InputError, match=r"foreground of shape \(6, 3\)"):
        PatchPairs.of(xyz, rgb, np.ones((6, 3), bool))


def test_parts_without_pairs_are_refused():
    xyz, rgb = seen_twice()
    with pytest.raises(InputError, match="no part has two patches"):
        fit(PatchPairs.of(xyz, np.full_like(rgb, np.nan)))
    with pytest.raises(InputError, match="no part has two patches"):
        fit(PatchPairs.of(xyz, rgb), held_out=range(6))
    with pytest.raises(InputError, match="there are 6"):
        fit(PatchPairs.of(xyz, rgb), held_out=[6])


def test_a_part_without_pairs_is_passed_over():
    xyz, rgb = seen_twice()
    rgb[2] = np.nan
    assert fit(PatchPairs.of(xyz, rgb)).learnt
