"""Model blocks that capabilities compose: attention, Transformer layers, positions, tag chains and losses."""

from latticework.nn.attention import CrossAttention, KeyValueCache, SelfAttention, attend, attention_weights
from latticework.nn.chain import AllowedTags, ChainScores
from latticework.nn.crf import LinearChainCRF
from latticework.nn.dropout import Dropout
from latticework.nn.lattice import Lattice
from latticework.nn.lattice_lstm import LatticeLSTM
from latticework.nn.losses import linear_cross_entropy, smoothed_cross_entropy
from latticework.nn.positions import SinusoidalPositions, sinusoids
from latticework.nn.stepping import DecoderLayerSteps
from latticework.nn.transformer import DecoderLayer, EncoderLayer, FeedForward, Residual

__all__ = [
    "Lattice",
    "LatticeLSTM",
    "AllowedTags",
    "ChainScores",
    "CrossAttention",
    "DecoderLayer",
    "DecoderLayerSteps",
    "Dropout",
    "EncoderLayer",
    "FeedForward",
    "KeyValueCache",
    "LinearChainCRF",
    "Residual",
    "SelfAttention",
    "SinusoidalPositions",
    "attend",
    "attention_weights",
    "linear_cross_entropy",
    "sinusoids",
    "smoothed_cross_entropy",
]
