"""What a translator has learned, and what it makes of text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from latticework.nn.sequences import EVALUATION_TOKENS, EncodedText, token_batches
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.decoding import SearchOptions, search_texts
from latticework.seq2seq.learning import negative_log_likelihood
from latticework.seq2seq.model import EncoderDecoder, padding_mask
from latticework.seq2seq.vocabulary import PAD, Vocabulary
from latticework.translation.attention import AttentionMaps, attention_maps, check_sizes
from latticework.translation.decoding import EXTRA_LENGTH, Translation, join_parts
from latticework.translation.parts import SPACE, Parts, split_long, warn_of_long


@dataclass(frozen=True, eq=False)
class Learned:
    """What a translator has learned.

    Its methods take checked sentences and want the model on that device, in evaluation mode.

    Attributes
    ----------
    config
        What the model was made from.
    vocabulary
        The pieces.
    model
        The module.
    """

    config: TransformerConfig
    vocabulary: Vocabulary
    model: EncoderDecoder

    def translations(self, texts: list[str], options: SearchOptions, device: torch.device) -> list[list[Translation]]:
        """The best of each text, those that are too long in parts."""
        parts = self._encode(texts)
        wanted = np.array([bool(text.replace(SPACE, " ").strip()) for text in texts], dtype=bool)[parts.owners]
        cut = np.flatnonzero(wanted & parts.cut).tolist()  # a part may be blank where the text is not
        wanted[cut] = [bool(part.strip()) for part in self.vocabulary.decode([parts.text[i].tolist() for i in cut])]
        found = search_texts(
            self.model, parts.text, wanted, options, extra_length=EXTRA_LENGTH, device=device, doing="translating"
        )
        return join_parts(found, parts, self.vocabulary, count=len(texts), n_best=options.n_best)

    def states(self, texts: list[str], device: torch.device) -> np.ndarray:
        """The mean of the encoder's states over each text: float32, (texts, d_model)."""
        parts = self._encode(texts)
        sums = np.zeros((len(texts), self.config.d_model), dtype=np.float64)
        for batch in token_batches([parts.text.lengths], EVALUATION_TOKENS):
            tokens = parts.text.padded(batch, padding=PAD).to(device)
            states = self.model.encode(tokens, padding_mask(tokens)).cpu().double()
            np.add.at(sums, parts.owners[batch], (states * (tokens != PAD).cpu()[:, :, None]).sum(1).numpy())
        lengths = np.bincount(parts.owners, weights=parts.text.lengths, minlength=len(texts))
        return (sums / lengths[:, None]).astype(np.float32)

    def perplexity(self, sources: list[str], targets: list[str]) -> float:
        """Of the targets, each given its source."""
        encoded = self._encode_pairs(sources, targets)
        return float(np.exp(negative_log_likelihood(self.model, *encoded) / int(encoded[1].lengths.sum())))

    def attention(self, sources: list[str], targets: list[str], device: torch.device) -> list[AttentionMaps]:
        """Where it looks in each pair."""
        encoded = self._encode_pairs(sources, targets)
        check_sizes(self.config, *(side.lengths for side in encoded))
        return list(attention_maps(self.model, self.vocabulary, *encoded, device))

    def _encode(self, texts: list[str]) -> Parts:
        """Encode texts, those that are too long in parts."""
        encoded = self.vocabulary.encode(texts)
        warn_of_long(encoded.lengths, self.config.max_length, "sentences", "are taken in parts")
        return split_long(encoded, self.vocabulary, self.config.max_length)

    def _encode_pairs(self, sources: list[str], targets: list[str]) -> tuple[EncodedText, EncodedText]:
        """Encode pairs that are used whole however long they are."""
        pairs = self.vocabulary.encode(sources), self.vocabulary.encode(targets)
        longer = np.maximum(*(side.lengths for side in pairs))
        warn_of_long(longer, self.config.max_length, "pairs", "are taken whole, longer than any that was trained on")
        return pairs
