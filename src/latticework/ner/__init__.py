"""Entities in Chinese text with your own word list: the Lattice LSTM (Zhang & Yang 2018), and its peers."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.ner.config import FlatConfig, TaggerConfig, WordConfig
    from latticework.ner.explanation import Explanation
    from latticework.ner.flat import FlatTagger
    from latticework.ner.lexicon import Lexicon
    from latticework.ner.results import Arc, Entity, Match
    from latticework.ner.softlexicon import SoftLexiconTagger
    from latticework.ner.taggers import CharacterTagger, LatticeTagger
    from latticework.ner.words import WordTagger

__all__ = [
    "LatticeTagger",
    "CharacterTagger",
    "WordTagger",
    "SoftLexiconTagger",
    "FlatTagger",
    "TaggerConfig",
    "WordConfig",
    "FlatConfig",
    "Lexicon",
    "Entity",
    "Match",
    "Arc",
    "Explanation",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "LatticeTagger": "latticework.ner.taggers:LatticeTagger",
        "CharacterTagger": "latticework.ner.taggers:CharacterTagger",
        "WordTagger": "latticework.ner.words:WordTagger",
        "SoftLexiconTagger": "latticework.ner.softlexicon:SoftLexiconTagger",
        "FlatTagger": "latticework.ner.flat:FlatTagger",
        "WordConfig": "latticework.ner.config:WordConfig",
        "FlatConfig": "latticework.ner.config:FlatConfig",
        "TaggerConfig": "latticework.ner.config:TaggerConfig",
        "Lexicon": "latticework.ner.lexicon:Lexicon",
        "Entity": "latticework.ner.results:Entity",
        "Match": "latticework.ner.results:Match",
        "Arc": "latticework.ner.results:Arc",
        "Explanation": "latticework.ner.explanation:Explanation",
    },
)
