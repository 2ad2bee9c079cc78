"""Text to text: vocabulary, encoder-decoder and beam search."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.seq2seq.config import TransformerConfig
    from latticework.seq2seq.decoding import SearchOptions, check_search, search_texts
    from latticework.seq2seq.learning import PairsTask, negative_log_likelihood, training_plan
    from latticework.seq2seq.model import EncoderDecoder
    from latticework.seq2seq.search import Hypothesis, beam_search
    from latticework.seq2seq.vocabulary import Vocabulary

__all__ = [
    "TransformerConfig",
    "Vocabulary",
    "EncoderDecoder",
    "Hypothesis",
    "beam_search",
    "SearchOptions",
    "check_search",
    "search_texts",
    "PairsTask",
    "negative_log_likelihood",
    "training_plan",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "TransformerConfig": "latticework.seq2seq.config:TransformerConfig",
        "Vocabulary": "latticework.seq2seq.vocabulary:Vocabulary",
        "EncoderDecoder": "latticework.seq2seq.model:EncoderDecoder",
        "Hypothesis": "latticework.seq2seq.search:Hypothesis",
        "beam_search": "latticework.seq2seq.search:beam_search",
        "SearchOptions": "latticework.seq2seq.decoding:SearchOptions",
        "check_search": "latticework.seq2seq.decoding:check_search",
        "search_texts": "latticework.seq2seq.decoding:search_texts",
        "PairsTask": "latticework.seq2seq.learning:PairsTask",
        "negative_log_likelihood": "latticework.seq2seq.learning:negative_log_likelihood",
        "training_plan": "latticework.seq2seq.learning:training_plan",
    },
)
