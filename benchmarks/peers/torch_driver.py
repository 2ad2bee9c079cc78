"""What one writes around `torch.nn.Transformer` in an afternoon: no cache, each step decodes the whole prefix."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

import latticework as lw
from benchmarks.peers import timing
from benchmarks.peers.weights import torch_state
from latticework.nn import sinusoids
from latticework.nn.transformer import NORM_EPSILON
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.learning import PairsTask, warmup_then_inverse_square_root
from latticework.seq2seq.model import EncoderDecoder, shift_right
from latticework.seq2seq.search import NEVER
from latticework.seq2seq.vocabulary import BEGIN, END, PAD

POSITIONS = 1024


class PlainTransformer(nn.Module):
    """One shared embedding, sinusoids, and torch's layers.

    Parameters
    ----------
    config
        Shape and dropout; torch's layers drop weights of attention and the inside of the feed-forward layer out too.
    vocabulary_size
        Number of pieces.
    """

    def __init__(self, config: TransformerConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary_size, config.d_model)
        nn.init.normal_(self.embedding.weight, std=config.d_model**-0.5)
        self.register_buffer("positions", sinusoids(POSITIONS, config.d_model, layout=config.positions))
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = nn.Transformer(
            config.d_model,
            config.heads,
            config.layers,
            config.layers,
            config.feed_forward,
            config.dropout,
            layer_norm_eps=NORM_EPSILON,
            batch_first=True,
        )
        self.transformer.encoder.norm = self.transformer.decoder.norm = None  # the paper has none there

    @classmethod
    def of(cls, model: EncoderDecoder) -> PlainTransformer:
        """The same model as ours."""
        plain = cls(model.config, len(model.embedding))
        plain.transformer.load_state_dict(torch_state(model))
        plain.embedding.weight.data.copy_(model.embedding)
        return plain.eval()

    def embed(self, tokens: Tensor) -> Tensor:
        """Scaled embeddings plus positions."""
        states = self.embedding(tokens) * self.config.d_model**0.5
        return self.dropout(states + self.positions[: tokens.shape[1]])

    def encode(self, source: Tensor) -> Tensor:
        """The encoder's states."""
        return self.transformer.encoder(self.embed(source), src_key_padding_mask=source == PAD)

    def decode(self, inputs: Tensor, memory: Tensor, hidden: Tensor) -> Tensor:
        """The decoder's states at all positions."""
        mask = nn.Transformer.generate_square_subsequent_mask(inputs.shape[1])
        return self.transformer.decoder(
            self.embed(inputs), memory, tgt_mask=mask, tgt_is_causal=True, memory_key_padding_mask=hidden
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Smoothed cross-entropy, summed over the tokens of the target."""
        states = self.decode(shift_right(target), self.encode(source), source == PAD)
        logits = F.linear(states, self.embedding.weight).flatten(0, 1)
        smoothing = self.config.label_smoothing
        return F.cross_entropy(logits, target.flatten(), ignore_index=PAD, label_smoothing=smoothing, reduction="sum")

    @torch.inference_mode()
    def search(self, source: Tensor, *, beam: int, limit: int) -> list[list[int]]:
        """The best output of each source by log-probability; a hypothesis that has ended keeps its place."""
        rows = len(source)
        memory, hidden = (each.repeat_interleave(beam, 0) for each in (self.encode(source), source == PAD))
        first = torch.arange(rows)[:, None] * beam
        tokens = torch.full((rows * beam, 1), BEGIN)
        totals = torch.full((rows, beam), -torch.inf)
        totals[:, 0] = 0.0
        for _ in range(limit):
            logits = F.linear(self.decode(tokens, memory, hidden)[:, -1], self.embedding.weight)
            log_p = logits.log_softmax(-1)
            log_p[:, NEVER] = -torch.inf
            ended = (tokens == END).any(1)
            log_p[ended] = -torch.inf
            log_p[ended, PAD] = 0.0
            totals, places = (totals.view(-1, 1) + log_p).view(rows, -1).topk(beam)
            parents, pieces = places // log_p.shape[1] + first, places % log_p.shape[1]
            tokens = torch.cat([tokens[parents.flatten()], pieces.view(-1, 1)], 1)
            if bool((tokens.view(rows, beam, -1)[:, 0] == END).any(1).all()):
                break  # what is probable most has ended, and what has not only becomes less probable
        return tokens.view(rows, beam, -1)[:, 0, 1:].tolist()


def decode(folder: Path, job: timing.Job) -> dict[str, Any]:
    """A call is a batch; what makes batches of a whole file would be one more thing to write, so that is left out."""
    translator = lw.load(job["model"])
    vocabulary, model = translator.vocabulary_, PlainTransformer.of(translator.model_)
    warnings.filterwarnings("ignore", "The PyTorch API of nested tensors", UserWarning)

    def translate(sentences: list[str], *, beam: int, limit: int, whole: bool) -> list[str]:
        encoded = vocabulary.encode(sentences)
        pieces = [torch.from_numpy(encoded[i].astype(np.int64)) for i in range(len(encoded))]
        source = pad_sequence(pieces, batch_first=True, padding_value=PAD)
        return vocabulary.decode(model.search(source, beam=beam, limit=limit))

    return timing.time_decoding(job | {"cells": [cell for cell in job["cells"] if cell["batch"]]}, translate)


def train_steps(folder: Path, job: timing.Job, *, bfloat16: bool) -> dict[str, Any]:
    """Our batches and schedule, torch's loss and optimiser."""
    vocabulary = lw.load(job["model"]).vocabulary_
    config = TransformerConfig(**job["config"])
    torch.manual_seed(0)
    model = PlainTransformer(config, len(vocabulary)).train()
    pairs = tuple(vocabulary.encode(texts) for texts in lw.datasets.load("multi30k", split="train"))
    task = PairsTask(EncoderDecoder(config, len(vocabulary)), pairs)
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98), eps=1e-9)
    steps = timing.Steps(job)
    batches = (batch for epoch in range(steps.total) for batch in task.batches(epoch))
    tokens = 0
    for step, batch in zip(range(1, steps.total + 1), batches, strict=False):
        steps.begin(tokens)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = model(*task.inputs(batch)) / task.terms(batch)
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = warmup_then_inverse_square_root(
                step, d_model=config.d_model, warmup_steps=config.warmup_steps, factor=config.learning_rate
            )
        optimizer.step()
        optimizer.zero_grad()
        tokens += task.terms(batch)
    return steps.figures()


TASKS = {
    "decode": decode,
    "train-32": partial(train_steps, bfloat16=False),
    "train-bf16": partial(train_steps, bfloat16=True),
}

if __name__ == "__main__":
    timing.main(TASKS)
