"""Everything about an encoder-decoder Transformer and its training that is not the data: one dataclass.

The defaults are the paper's base model (Vaswani et al. 2017, table 3 and section 5).
"""

from dataclasses import dataclass
from typing import Final, Literal

from latticework.core.checks import flag, one_of, positive, set_frozen, share, whole_number
from latticework.core.errors import InputError

WHOLE: Final = (
    "layers",
    "d_model",
    "heads",
    "feed_forward",
    "batch_tokens",
    "accumulate",
    "warmup_steps",
    "average_checkpoints",
)


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Shape and training of a Transformer.

    Examples
    --------
    >>> TransformerConfig(layers=2, d_model=64, heads=4, feed_forward=256).dropout
    0.1
    """

    layers: int = 6  # N, in the encoder and again in the decoder
    d_model: int = 512
    heads: int = 8
    feed_forward: int = 2048  # d_ff
    dropout: float = 0.1  # of sub-layer outputs and of embeddings plus positions (section 5.4)
    norm_first: bool = False  # the paper's order is LayerNorm(x + Sublayer(x))
    positions: Literal["paper", "t2t"] = "paper"  # layout of the sinusoids
    label_smoothing: float = 0.1
    batch_tokens: int = 25_000  # padded tokens of a batch, for source and target each (section 5.1)
    accumulate: int = 1  # batches to one step of the optimiser
    warmup_steps: int = 4_000
    learning_rate: float = 1.0  # factor before the paper's schedule, equation 3
    clip_norm: float | None = None  # largest gradient norm; the paper does not clip
    average_checkpoints: int = 5  # the model is the mean of this many last checkpoints (section 6.1)
    validate_every: int | None = None  # steps between checkpoints to validate and average; an epoch when None
    patience: int | None = None  # stop after this many validations without a better loss; needs some to validate on
    max_length: int = 256  # pieces; longer pairs are left out of training, longer inputs are translated in parts

    def __post_init__(self) -> None:
        for name, least in {**dict.fromkeys(WHOLE, 1), "max_length": 2}.items():
            set_frozen(self, name, whole_number(name, getattr(self, name), least=least))
        for name in ("validate_every", "patience"):
            if getattr(self, name) is not None:
                set_frozen(self, name, whole_number(name, getattr(self, name)))
        for name in ("dropout", "label_smoothing"):
            set_frozen(self, name, share(name, getattr(self, name)))
        for name in ("learning_rate",) if self.clip_norm is None else ("learning_rate", "clip_norm"):
            set_frozen(self, name, positive(name, getattr(self, name)))
        if self.d_model % self.heads or self.d_model % 2:
            raise InputError(f"d_model={self.d_model} must be even and a multiple of heads={self.heads}")
        set_frozen(self, "norm_first", flag("norm_first", self.norm_first))
        one_of("positions", self.positions, ("paper", "t2t"))
        if self.positions == "t2t" and self.d_model < 4:
            raise InputError("positions='t2t' needs d_model of at least 4")
