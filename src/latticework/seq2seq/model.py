"""The encoder-decoder Transformer: Vaswani et al. 2017, sections 3.1 and 3.4."""

from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from latticework.nn import (
    DecoderLayer,
    DecoderLayerSteps,
    Dropout,
    EncoderLayer,
    KeyValueCache,
    SinusoidalPositions,
    linear_cross_entropy,
)
from latticework.nn.linear import product_dtype
from latticework.nn.stepping import Product
from latticework.nn.transformer import NORM_EPSILON
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.vocabulary import BEGIN, PAD


@dataclass
class Memory:
    """What the decoder needs of the source: keys and values for each layer, once a sentence, and where padding is."""

    layers: list[tuple[Tensor, Tensor]]
    mask: Bool[Tensor, "sentences 1 1 source"] | None

    def select(self, sentences: Int[Tensor, " kept"]) -> "Memory":
        """The memory of these sentences."""
        layers = [(key[sentences], value[sentences]) for key, value in self.layers]
        return Memory(layers, None if self.mask is None else self.mask[sentences])


@dataclass(frozen=True)
class DecoderSteps:
    """A decoder laid out for one token at a time."""

    layers: list[DecoderLayerSteps]
    logits: Product


class Past:
    """What a decoder under way has seen: keys and values for each layer, a row for each beam of each sentence."""

    def __init__(self, steps: DecoderSteps) -> None:
        self.steps = steps
        self.caches = [KeyValueCache() for _ in steps.layers]

    @property
    def length(self) -> int:
        """Positions so far."""
        return self.caches[0].length

    def select(self, rows: Int[Tensor, " kept"]) -> None:
        """Keep these rows, in this order."""
        for cache in self.caches:
            cache.select(rows)

    def copy(self, sources: Int[Tensor, " moved"], rows: Int[Tensor, " moved"], *, start: int = 0) -> None:
        """Give `rows` the past of `sources` from position `start` on."""
        for cache in self.caches:
            cache.copy(sources, rows, start=start)


class EncoderDecoder(nn.Module):
    """A Transformer with one embedding for source, target and output, scaled by √d_model on the way in.

    Called with padded sources and targets (each text ending in END, filled up with PAD) it gives the summed smoothed
    cross-entropy of all target tokens, so that it can be trained as it is.

    Parameters
    ----------
    config
        Shape and dropout.
    vocabulary_size
        Number of pieces V, special ones included.

    Examples
    --------
    >>> model = EncoderDecoder(TransformerConfig(layers=1, d_model=8, heads=2, feed_forward=16), vocabulary_size=10)
    >>> model(torch.tensor([[5, 6, 3]]), torch.tensor([[7, 3]])).shape
    torch.Size([])
    """

    def __init__(self, config: TransformerConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        shape = (config.d_model, config.heads, config.feed_forward)
        dropout, norm_first = config.dropout, config.norm_first
        self.embedding = nn.Parameter(torch.randn(vocabulary_size, config.d_model) * config.d_model**-0.5)
        self.embedding.data[PAD] = 0
        self.positions = SinusoidalPositions(config.d_model, layout=config.positions)
        self.dropout = Dropout(config.dropout)
        self.encoder = nn.ModuleList(
            EncoderLayer(*shape, dropout=dropout, norm_first=norm_first) for _ in range(config.layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(*shape, dropout=dropout, norm_first=norm_first) for _ in range(config.layers)
        )
        self.encoder_norm = _final_norm(config)
        self.decoder_norm = _final_norm(config)

    @property
    def parts(self) -> list[nn.Module]:
        """What is called as a whole when the loss is computed; keys and values of the source come before the layers."""
        sources = [layer.cross_attention.key_value for layer in self.decoder_layers]
        return [*self.encoder_layers, *self.decoder_layers, *sources]

    @property
    def encoder_layers(self) -> list[EncoderLayer]:
        """The encoder's layers, first to last."""
        return cast(list[EncoderLayer], list(self.encoder))

    @property
    def decoder_layers(self) -> list[DecoderLayer]:
        """The decoder's layers, first to last."""
        return cast(list[DecoderLayer], list(self.decoder))

    def forward(self, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch target"]) -> Float[Tensor, ""]:
        """Summed smoothed cross-entropy over the tokens of the target."""
        states = self.decode(shift_right(target), self.remember(source))
        present = (target != PAD).flatten().nonzero().squeeze(1)
        return linear_cross_entropy(
            states.flatten(0, 1).index_select(0, present),
            self.embedding,
            target.flatten().index_select(0, present),
            smoothing=self.config.label_smoothing if self.training else 0.0,
        )

    def embed(self, tokens: Int[Tensor, "batch time"], *, start: int = 0) -> Float[Tensor, "batch time model"]:
        """Scaled embeddings plus positions, from position `start` on."""
        embedded = F.embedding(tokens, self.embedding) * self.config.d_model**0.5
        states = self.dropout(self.positions(embedded, start=start))
        return states.to(product_dtype(states))  # so that layers need not convert what they hand on

    def encode(
        self, source: Int[Tensor, "batch source"], mask: Bool[Tensor, "batch 1 1 source"] | None
    ) -> Float[Tensor, "batch source model"]:
        """The encoder's output at every source position."""
        states = self.embed(source)
        for layer in self.encoder_layers:
            states = layer(states, mask=mask)
        return self.encoder_norm(states)

    def memory(
        self, encoded: Float[Tensor, "batch source model"], mask: Bool[Tensor, "batch 1 1 source"] | None
    ) -> Memory:
        """Project the encoder's output to the keys and values of every decoder layer."""
        return Memory([layer.cross_attention.project_memory(encoded) for layer in self.decoder_layers], mask)

    def remember(self, source: Int[Tensor, "batch source"]) -> Memory:
        """Encode padded sources and project them for the decoder."""
        mask = padding_mask(source)
        return self.memory(self.encode(source, mask), mask)

    def decode(self, inputs: Int[Tensor, "batch target"], memory: Memory) -> Float[Tensor, "batch target model"]:
        """Decoder states that predict what follows each of `inputs`, all positions at once."""
        states = self.embed(inputs)
        for layer, keys_values in zip(self.decoder_layers, memory.layers, strict=True):
            states = layer(states, keys_values, memory_mask=memory.mask)
        return self.decoder_norm(states)

    def lay_out(self) -> DecoderSteps:
        """The decoder for one token at a time, with its weights as they are now, in the order that is read fastest."""
        dtype = product_dtype(self.embedding)
        layers = [DecoderLayerSteps(layer, dtype) for layer in self.decoder_layers]
        return DecoderSteps(layers, Product(self.embedding, None, dtype))

    def kept_steps(self) -> DecoderSteps:
        """`lay_out()`, kept until a weight changes or the mode is set, so that calls can share it.

        Of a change through `.data` or NumPy torch keeps no count: call `eval` after one.
        """
        weights = [self.embedding, *self.decoder.parameters()]
        if any(weight.is_inference() for weight in weights):  # of those no changes are counted
            return self.lay_out()
        state = product_dtype(self.embedding), [(id(weight), weight.data_ptr(), weight._version) for weight in weights]
        kept = _kept.get(self)
        if kept is None or kept[0] != state:
            kept = _kept[self] = state, self.lay_out()
        return kept[1]

    def train(self, mode: bool = True) -> "EncoderDecoder":
        """Set the mode; from here on weights may change, of which fused optimisers leave no trace."""
        _kept.pop(self, None)
        return super().train(mode)

    @torch.no_grad()
    def step(
        self, tokens: Int[Tensor, "sentences beam"], memory: Memory, past: Past
    ) -> Float[Tensor, "sentences beam vocabulary"]:
        """Logits of what follows `tokens`, the newest of every beam; `past` grows by them."""
        states = self.embed(tokens.view(-1, 1), start=past.length).squeeze(1)
        for layer, keys_values, cache in zip(past.steps.layers, memory.layers, past.caches, strict=True):
            states = layer(states, keys_values, cache, memory_mask=memory.mask)
        return past.steps.logits(self.decoder_norm(states)).view(*tokens.shape, -1)

    def attention_maps(
        self, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch target"]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Weights of every layer: of the encoder, of the decoder's own past, and of the source seen by the decoder.

        Each tensor is (batch, heads, queries, keys).
        """
        mask = padding_mask(source)
        own, past, cross = [], [], []
        states = self.embed(source)
        for layer in self.encoder_layers:
            own.append(layer.weights(states, mask=mask))
            states = layer(states, mask=mask)
        memory = self.memory(self.encoder_norm(states), mask)
        states = self.embed(shift_right(target))
        for decoder_layer, keys_values in zip(self.decoder_layers, memory.layers, strict=True):
            seen, looked = decoder_layer.weights(states, keys_values, memory_mask=mask)
            past.append(seen)
            cross.append(looked)
            states = decoder_layer(states, keys_values, memory_mask=mask)
        return own, past, cross


_kept: WeakKeyDictionary[EncoderDecoder, tuple[object, DecoderSteps]] = WeakKeyDictionary()  # no part of a saved model


def _final_norm(config: TransformerConfig) -> nn.Module:
    return nn.LayerNorm(config.d_model, eps=NORM_EPSILON) if config.norm_first else nn.Identity()


def padding_mask(tokens: Int[Tensor, "batch time"]) -> Bool[Tensor, "batch 1 1 time"] | None:
    """Where there is text; nothing at all when there is no padding, which attention computes faster."""
    present = tokens != PAD
    return None if bool(present.all()) else present[:, None, None, :]


def shift_right(target: Int[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """The decoder's inputs: BEGIN, then the target without its last token."""
    return torch.cat([target.new_full((len(target), 1), BEGIN), target[:, :-1]], dim=1)
