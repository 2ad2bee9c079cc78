"""Translation with the Transformer (Vaswani et al. 2017), trained on your own parallel text."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.seq2seq.config import TransformerConfig
    from latticework.translation.attention import AttentionMaps
    from latticework.translation.decoding import Translation
    from latticework.translation.estimator import TransformerTranslator
    from latticework.translation.metrics import CorpusScores, corpus_scores

__all__ = [
    "TransformerTranslator",
    "TransformerConfig",
    "Translation",
    "AttentionMaps",
    "CorpusScores",
    "corpus_scores",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "TransformerTranslator": "latticework.translation.estimator:TransformerTranslator",
        "TransformerConfig": "latticework.seq2seq.config:TransformerConfig",
        "Translation": "latticework.translation.decoding:Translation",
        "AttentionMaps": "latticework.translation.attention:AttentionMaps",
        "CorpusScores": "latticework.translation.metrics:CorpusScores",
        "corpus_scores": "latticework.translation.metrics:corpus_scores",
    },
)
