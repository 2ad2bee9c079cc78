"""How feature fusion is trained: patches of several good parts a batch, AdamW, the best loss on held-out parts kept.

Differs from the paper: the fusion learns from the parts at hand, not from all classes of MVTec 3D-AD, so that it is
best judged on parts that it did not see. Of a batch some patches are drawn: the loss compares each with every other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from latticework.anomaly.fusion.feature_fusion import HEAD, FeatureFusion, FusionFigures, contrast, figures
from latticework.anomaly.fusion.patch_pairs import PatchPairs, drawn
from latticework.core.checks import positive, set_frozen, whole_number
from latticework.core.errors import InputError
from latticework.core.hardware import fork_random
from latticework.core.loggers import Row
from latticework.core.seeds import spawn
from latticework.core.task import Plan
from latticework.core.training import train
from latticework.nn.linear import without_autocast

BETAS: Final = (0.9, 0.95)  # of AdamW, as the code's, whose weight decay is torch's


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """Shape and training of a fusion.

    Examples
    --------
    >>> FusionConfig(steps=100, warmup_steps=30).learning_rate
    0.003
    """

    head: int = HEAD  # width in which modalities are compared
    images_per_batch: int = 16
    most_patches: int = 2048  # of a batch: as float32 its logits would be 16 MB, and time grows with their number
    steps: int = 750
    warmup_steps: int = 250  # in which the rate grows in a straight line; then it falls as a half cosine
    learning_rate: float = 3e-3
    validate_every: int = 50  # steps

    def __post_init__(self) -> None:
        for name in ("head", "images_per_batch", "steps", "validate_every"):
            set_frozen(self, name, whole_number(name, getattr(self, name)))
        set_frozen(self, "most_patches", whole_number("most_patches", self.most_patches, least=2))
        set_frozen(self, "warmup_steps", whole_number("warmup_steps", self.warmup_steps, least=0))
        set_frozen(self, "learning_rate", positive("learning_rate", self.learning_rate))
        if self.warmup_steps >= self.steps:
            raise InputError(f"warmup_steps={self.warmup_steps}: expected fewer than steps={self.steps}")


class Contrast(nn.Module):
    """The loss as a module, which is what the training loop calls."""

    def __init__(self, fusion: FeatureFusion) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, xyz: Float[Tensor, "patches xyz"], rgb: Float[Tensor, "patches rgb"]) -> Float[Tensor, ""]:
        """Summed over the patches."""
        return contrast(self.fusion, xyz, rgb)


class FusionTask:
    """Learn to find each patch in the other modality; a `core.task.Task`.

    Parameters
    ----------
    fusion
        To train.
    pairs
        Features.
    images
        Those to learn from.
    held_out
        Those to validate on, none if empty.
    config
        Figures.
    seed
        Decides which patches meet.
    """

    def __init__(
        self,
        fusion: FeatureFusion,
        pairs: PatchPairs,
        images: Int64[np.ndarray, " n"],
        held_out: Int64[np.ndarray, " m"],
        config: FusionConfig,
        *,
        seed: int,
    ) -> None:
        self.module: nn.Module = Contrast(fusion)
        self.fusion, self.pairs, self.images, self.config, self.seed = fusion, pairs, images, config, seed
        together = [pairs.numbers(int(image)) for image in held_out]
        generator = np.random.default_rng(spawn(seed, "held-out patches"))
        self.held_out = drawn(np.concatenate([*together, np.empty(0, np.int64)]), config.most_patches, generator)
        self.validates = len(self.held_out) > 1

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Every image once, in batches of equal size up to one; of each batch so many patches as may be compared."""
        generator = np.random.default_rng(spawn(self.seed, f"batches of epoch {epoch}"))
        order = generator.permutation(self.images)
        parts = np.array_split(order, math.ceil(len(order) / self.config.images_per_batch))
        together = [np.concatenate([self.pairs.numbers(int(image)) for image in part]) for part in parts]
        return [drawn(patches, self.config.most_patches, generator) for patches in together]

    def terms(self, batch: np.ndarray) -> int:
        """Patches."""
        return len(batch)

    def inputs(self, batch: np.ndarray) -> tuple[Tensor, Tensor]:
        """Their features."""
        return self.pairs.tensors(batch)

    def validate(self) -> dict[str, float]:
        """How well the held-out patches find each other."""
        found = self.figures()
        return {"loss": found.loss, "accuracy": found.accuracy}

    def figures(self) -> FusionFigures:
        """The same, with how many patches were compared."""
        device = next(self.fusion.parameters()).device
        xyz, rgb = (features.to(device) for features in self.pairs.tensors(self.held_out))
        with without_autocast(device.type):
            return figures(self.fusion, xyz, rgb)


@dataclass(frozen=True, eq=False)
class FittedFusion:
    """A trained fusion, and what is known of it.

    Parameters
    ----------
    fusion
        Ready to be used, on the CPU.
    figures
        On the held-out images, None without any.
    history
        What was logged.
    """

    fusion: FeatureFusion
    figures: FusionFigures | None
    history: list[Row]

    @property
    def learnt(self) -> bool:
        """Whether held-out patches are found better than by chance, which a fusion bank needs to be worth a trial."""
        return self.figures is not None and self.figures.information > 0


def fit_fusion(
    pairs: PatchPairs,
    *,
    held_out: Sequence[int] | Int64[np.ndarray, " m"] = (),
    config: FusionConfig | None = None,
    seed: int,
    device: str = "auto",
) -> FittedFusion:
    """Train a fusion on good parts.

    The same data, settings and seed give the same weights on one machine.

    Parameters
    ----------
    pairs
        Features of good parts, a row an image.
    held_out
        Images by number that are not learnt from: the weights with the smallest loss on them are kept.
    config
        Figures.
    seed
        Of weights and batches.
    device
        "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    InputError
        If an image held out is not there, or the others have no two patches in both modalities.
    FloatingPointError
        If training diverges.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> seen = generator.normal(size=(6, 100, 8)).astype(np.float32)
    >>> config = FusionConfig(steps=60, warmup_steps=10, head=16)
    >>> fitted = fit_fusion(PatchPairs.of(seen, seen[..., ::-1]), held_out=[5], config=config, seed=0, device="cpu")
    >>> fitted.learnt, fitted.figures.accuracy > 0.5
    (True, True)
    """
    config = config or FusionConfig()
    kept = np.unique(np.asarray(held_out, np.int64))
    if len(kept) and not 0 <= kept.min() <= kept.max() < len(pairs.present):
        raise InputError(f"held out images {kept.min()} to {kept.max()}: there are {len(pairs.present)}, from 0")
    images = np.setdiff1d(np.flatnonzero(pairs.present.sum(1) > 1), kept)
    if not len(images):
        raise InputError("feature fusion: no part has two patches with both finite colour and finite point features")
    with fork_random(torch.device("cpu"), spawn(seed, "weights")), torch.device("cpu"):
        fusion = FeatureFusion(pairs.xyz.shape[-1], pairs.rgb.shape[-1], head=config.head).float()
    task = FusionTask(fusion, pairs, images, kept, config, seed=spawn(seed, "patches"))
    history = train(task, fusion_plan(config), seed=seed, device=device, precision="32")
    found = task.figures() if task.validates else None
    return FittedFusion(fusion.cpu().eval(), found, history)


def fusion_plan(config: FusionConfig) -> Plan:
    """AdamW with warm-up and a half cosine, and how often to validate."""
    rate = partial(warmed_cosine, peak=config.learning_rate, warmup_steps=config.warmup_steps, total_steps=config.steps)
    return Plan(
        optimizer=partial(_adamw, rate=config.learning_rate),
        learning_rate=rate,
        max_steps=config.steps,
        warmup_steps=config.warmup_steps,
        validate_every=config.validate_every,
        terms="patches",
        if_diverged="lower learning_rate",
    )


def warmed_cosine(step: int, *, peak: float, warmup_steps: int, total_steps: int) -> float:
    """The learning rate of step 1, 2, ...: up to the peak in a straight line, then down to 0 as a half cosine.

    Examples
    --------
    >>> [round(warmed_cosine(step, peak=1.0, warmup_steps=2, total_steps=6), 2) for step in range(1, 7)]
    [0.5, 1.0, 0.85, 0.5, 0.15, 0.0]
    """
    if step <= warmup_steps:
        return peak * step / warmup_steps
    return peak / 2 * (1 + math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))


def _adamw(parameters: Iterable[nn.Parameter], *, rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=rate, betas=BETAS, fused=True)
