"""From emissions to entities: legal tags by Viterbi, and how likely each entity is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import torch
from torch import Tensor

from latticework.core.progress import Progress
from latticework.ner.features import Batch, Features
from latticework.ner.tags import Span, allowed, spans_of, tags_of
from latticework.nn import AllowedTags
from latticework.nn.sequences import EVALUATION_TOKENS, EncodedText, token_batches

if TYPE_CHECKING:
    from latticework.ner.model import LatticeEncoder, TaggerModel

PREFIXES: Final = ("B", "M", "E", "S")


@dataclass(frozen=True)
class TagSet:
    """The tags of some labels in the order of a model's outputs: O, then B, M, E and S of each label.

    Examples
    --------
    >>> TagSet(("LOC",)).names
    ('O', 'B-LOC', 'M-LOC', 'E-LOC', 'S-LOC')
    """

    labels: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all tags."""
        return ("O", *(f"{prefix}-{label}" for label in self.labels for prefix in PREFIXES))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Of all tags."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def legal(self) -> AllowedTags:
        """What may follow what, begin and end, for a constrained Viterbi."""
        return AllowedTags(*map(torch.from_numpy, allowed(self.names)))

    def path(self, span: Span) -> list[int]:
        """The numbers of an entity's tags."""
        return [
            self.numbers[tag] for tag in tags_of([Span(0, span.end - span.start, span.label)], span.end - span.start)
        ]

    def encode(self, spans: Sequence[Sequence[Span]], lengths: np.ndarray) -> EncodedText:
        """The numbers of the tags of sentences with these entities."""
        numbers = self.numbers
        rows = [tags_of(found, int(length)) for found, length in zip(spans, lengths, strict=True)]
        return EncodedText.from_sequences([[numbers[tag] for tag in row] for row in rows])

    def spans(self, tags: np.ndarray) -> list[Span]:
        """The entities of one sentence's numbers."""
        return spans_of([self.names[number] for number in tags])


def batches(features: Features, model: TaggerModel, bar: Progress | None = None) -> Iterator[tuple[np.ndarray, Batch]]:
    """Sentences of like length together: their indices, and the batch on the CPU."""
    for indices in token_batches([features.lengths], EVALUATION_TOKENS):
        yield indices, features.batch(indices, model.arrange)
        if bar is not None:
            bar.advance(len(indices))


@torch.no_grad()
def decode(
    model: TaggerModel, tag_set: TagSet, features: Features, *, device: torch.device, bar: Progress | None = None
) -> list[list[Span]]:
    """The entities of every sentence, over what the model tags; `model` in evaluation mode."""
    found: list[list[Span]] = [[] for _ in range(len(features.lengths))]
    for indices, batch in batches(features, model, bar):
        moved = batch.to(device)
        best = _best(model, tag_set, model.emissions(moved), moved)
        for index, spans in zip(indices, best, strict=True):
            found[index] = spans
    return found


@torch.no_grad()
def decode_with_scores(
    model: TaggerModel, tag_set: TagSet, features: Features, *, device: torch.device
) -> tuple[list[list[Span]], list[list[float]]]:
    """The same, and of every entity its probability: that of exactly its tags, whatever the tags around it."""
    found: list[list[Span]] = [[] for _ in range(len(features.lengths))]
    scores: list[list[float]] = [[] for _ in found]
    for indices, batch in batches(features, model):
        moved = batch.to(device)
        emissions = model.emissions(moved)
        best = _best(model, tag_set, emissions, moved)
        rows = [row for row, spans in enumerate(best) for _ in spans]
        paths = [tag_set.path(span) for spans in best for span in spans]
        widths = [len(path) for path in paths]
        padded = [path + [0] * (max(widths) - len(path)) for path in paths]
        begins = [span.start for spans in best for span in spans]
        if rows:
            at = (torch.tensor(numbers, device=device) for numbers in (rows, begins, padded, widths))
            likely = model.crf.span_log_probability(emissions, moved.lengths, *at).exp().clamp(max=1).tolist()
            for row, probability in zip(rows, likely, strict=True):
                scores[indices[row]].append(probability)
        for index, spans in zip(indices, best, strict=True):
            found[index] = spans
    return found, scores


def _best(model: TaggerModel, tag_set: TagSet, emissions: Tensor, batch: Batch) -> list[list[Span]]:
    legal = AllowedTags(*(tensor.to(emissions.device) for tensor in tag_set.legal))
    tags = model.crf.viterbi(emissions, batch.lengths, allowed=legal)[0].cpu().numpy()
    return [tag_set.spans(row[:length]) for row, length in zip(tags, batch.host_lengths.tolist(), strict=True)]


@torch.no_grad()
def states(model: TaggerModel, features: Features, *, device: torch.device) -> Iterator[tuple[int, np.ndarray]]:
    """Each sentence's index, batch by batch, and the encoder's states of its characters: float32, (characters, state).

    They are views of the states of the batch.
    """
    for indices, batch in batches(features, model):
        rows = model.states(batch.to(device)).float().cpu().numpy()
        for index, row, length in zip(indices.tolist(), rows, batch.host_lengths.tolist(), strict=True):
            yield index, features.spread(index, row[:length])


@torch.no_grad()
def fusion_weights(model: TaggerModel, features: Features, *, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Of one sentence: α of each character itself, (characters, 2), and of each word, (words, 2); forward, backward."""
    batch = features.batch(np.array([0]), model.arrange).to(device)
    own, words = cast("LatticeEncoder", model.encoder).fusion_weights(model.vectors(batch), batch)
    return own[:, 0].T.cpu().numpy(), words.T.cpu().numpy()
