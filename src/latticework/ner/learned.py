"""What a tagger has learned, and what it finds with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from latticework.core.progress import progress
from latticework.ner.choices import Scheme
from latticework.ner.config import TaggerConfig
from latticework.ner.decoding import TagSet, decode, decode_with_scores, states
from latticework.ner.lexicon import Lexicon
from latticework.ner.matching import Matcher
from latticework.ner.model import TaggerModel
from latticework.ner.parts import Parts
from latticework.ner.tags import Span


@dataclass(frozen=True, eq=False)
class Learned:
    """What a tagger has learned, whole: another lexicon makes another.

    Its methods take the tokens of sentences, however long, and want the model on that device, in evaluation mode.

    Attributes
    ----------
    config, hidden_size
        What the model was made from.
    inputs
        Vocabularies and the lexicon: `features.Inputs`, or what serves as such.
    tag_set
        The tags, in the order of the model's outputs.
    scheme
        That of the training tags.
    model
        The module.
    """

    config: TaggerConfig
    hidden_size: int
    inputs: Any
    tag_set: TagSet
    scheme: Scheme
    model: TaggerModel

    def with_lexicon(self, lexicon: Lexicon) -> Learned:
        """The same with other words."""
        return replace(self, inputs=replace(self.inputs, matcher=Matcher(lexicon)))

    def spans(self, tokens: list[list[str]], device: torch.device) -> list[list[Span]]:
        """The entities of each sentence."""
        parts = Parts.of(tokens)
        features = self.inputs.encode(parts.tokens)
        with progress("tagging", total=len(features.lengths), unit="sentences") as bar:
            found = decode(self.model, self.tag_set, features, device=device, bar=bar)
        return parts.join(features.over_characters(found))

    def scored_spans(self, tokens: list[list[str]], device: torch.device) -> tuple[list[list[Span]], list[list[float]]]:
        """The same, and the probability of each."""
        parts = Parts.of(tokens)
        features = self.inputs.encode(parts.tokens)
        found, scores = decode_with_scores(self.model, self.tag_set, features, device=device)
        joined = [[score for index in mine for score in scores[index]] for mine in parts.of_each()]
        return parts.join(features.over_characters(found)), joined

    def states(self, tokens: list[list[str]], device: torch.device) -> list[np.ndarray]:
        """What the encoder makes of each character: (characters, state) of each sentence."""
        found = dict(self._states(tokens, device))
        return [found[sentence] for sentence in range(len(tokens))]

    def mean_states(self, tokens: list[list[str]], device: torch.device) -> np.ndarray:
        """Their mean over each sentence, (sentences, state), zeros where it has no characters."""
        means = np.zeros((len(tokens), self.hidden_size), np.float32)
        for sentence, found in self._states(tokens, device):
            if len(found):
                means[sentence] = found.mean(0)
        return means

    def _states(self, tokens: list[list[str]], device: torch.device) -> Iterator[tuple[int, np.ndarray]]:
        """Each sentence, as soon as all its parts are there, and the states of its characters."""
        parts = Parts.of(tokens)
        features = self.inputs.encode(parts.tokens)
        owner, of_each = parts.owner.tolist(), parts.of_each()
        missing = list(map(len, of_each))
        found: dict[int, np.ndarray] = {}
        for part, of_part in states(self.model, features, device=device):
            found[part] = of_part
            sentence = owner[part]
            missing[sentence] -= 1
            if not missing[sentence]:
                yield sentence, np.concatenate([found.pop(index) for index in of_each[sentence]])
