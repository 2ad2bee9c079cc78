"""How an encoder-decoder is trained: Vaswani et al. 2017, sections 5.1 to 5.3."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from latticework.core import runs
from latticework.core.seeds import spawn
from latticework.core.task import Plan
from latticework.nn.sequences import EVALUATION_TOKENS, EncodedText, token_batches
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.model import EncoderDecoder
from latticework.seq2seq.vocabulary import PAD

Pairs = tuple[EncodedText, EncodedText]

# How initial weights and batches are made from a seed, and what a step does. To be raised when any of it changes: an
# unfinished run is not to go on under another recipe than it began with.
RECIPE: Final = 2


class PairsTask:
    """Learn to say the target given the source; a `core.task.Task`.

    Parameters
    ----------
    module
        The model to train.
    training, validation
        Sources and targets, each text ending in END.
    seed
        Decides the batches of every epoch.
    """

    def __init__(
        self, module: EncoderDecoder, training: Pairs, validation: Pairs | None = None, *, seed: int = 0
    ) -> None:
        self.model = module
        self.module: nn.Module = module
        self.source, self.target = training
        self.validation = validation
        self.validates = validation is not None
        self.seed = seed

    def batches(self, epoch: int) -> list[Int64[np.ndarray, " batch"]]:
        """Every pair once, with others of like length."""
        generator = np.random.default_rng(spawn(self.seed, f"batches of epoch {epoch}"))
        return token_batches([self.target.lengths, self.source.lengths], self.model.config.batch_tokens, generator)

    def terms(self, batch: Int64[np.ndarray, " batch"]) -> int:
        """Target tokens, end tokens included."""
        return int(self.target.lengths[batch].sum())

    def inputs(self, batch: Int64[np.ndarray, " batch"]) -> tuple[Tensor, Tensor]:
        """Padded sources and targets."""
        return self.source.padded(batch, padding=PAD), self.target.padded(batch, padding=PAD)

    def validate(self) -> dict[str, float]:
        """Mean loss a target token in nats, without smoothing."""
        if self.validation is None:
            return {}
        nats = negative_log_likelihood(self.model, *self.validation)
        return {"loss": nats / int(self.validation[1].lengths.sum())}


@torch.inference_mode()
def negative_log_likelihood(model: EncoderDecoder, source: EncodedText, target: EncodedText) -> float:
    """Summed over all target tokens, in nats; `model` in evaluation mode."""
    budget = min(model.config.batch_tokens, EVALUATION_TOKENS)
    device = model.embedding.device
    total = 0.0
    for batch in token_batches([target.lengths, source.lengths], budget):
        total += float(
            model(source.padded(batch, padding=PAD).to(device), target.padded(batch, padding=PAD).to(device))
        )
    return total


def warmup_then_inverse_square_root(step: int, *, d_model: int, warmup_steps: int, factor: float = 1.0) -> float:
    """The learning rate d_model^-½ · min(step^-½, step · warmup^-1.5) of step 1, 2, ..., equation 3.

    Examples
    --------
    >>> round(warmup_then_inverse_square_root(4000, d_model=512, warmup_steps=4000), 8)
    0.00069877
    """
    return float(factor * d_model**-0.5 * min(step**-0.5, step * warmup_steps**-1.5))


def _adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(
        parameters, lr=0.0, betas=(0.9, 0.98), eps=1e-9, fused=True
    )  # the rate comes with each step


def training_plan(config: TransformerConfig, *, max_epochs: int | None, max_steps: int | None) -> Plan:
    """The paper's optimiser and schedule with a configuration's figures."""
    return Plan(
        optimizer=_adam,
        learning_rate=partial(
            warmup_then_inverse_square_root,
            d_model=config.d_model,
            warmup_steps=config.warmup_steps,
            factor=config.learning_rate,
        ),
        max_epochs=max_epochs,
        max_steps=max_steps,
        warmup_steps=config.warmup_steps,
        accumulate=config.accumulate,
        clip_norm=config.clip_norm,
        validate_every=config.validate_every,
        patience=config.patience,
        average=config.average_checkpoints,
        terms="tokens",
        if_short="give more epochs, or lower batch_tokens or warmup_steps",
        if_diverged="lower learning_rate, or raise warmup_steps or batch_tokens",
    )


def fingerprint(settings: Mapping[str, object], config: TransformerConfig, texts: Sequence[EncodedText]) -> str:
    """A checksum of everything that decides what a run learns."""
    return runs.fingerprint(RECIPE, settings, config, (part for text in texts for part in (text.offsets, text.tokens)))
