"""Corpus scores as the field reports them: sacreBLEU's BLEU and chrF, with the signatures that make them comparable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from latticework.core.errors import InputError, require
from latticework.translation.text import check_sentences


@dataclass(frozen=True)
class CorpusScores:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015), both from 0 to 100."""

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str


def scorer() -> ModuleType:
    """SacreBLEU, or the error that says how to install it: better known before there is anything to score."""
    return require("sacrebleu", extra="translation", purpose="scoring translations")


def corpus_scores(hypotheses: Iterable[str], references: Iterable[str]) -> CorpusScores:
    """Score translations against one reference each, on raw text.

    Raises
    ------
    InputError
        If there are none, or not as many of one as of the other, or one is not text.

    Examples
    --------
    >>> round(corpus_scores(["das Haus ist klein ."], ["das Haus ist klein ."]).bleu)
    100
    """
    translations, expected = check_sentences(hypotheses, "hypotheses"), check_sentences(references, "references")
    if len(translations) != len(expected) or not expected:
        raise InputError(f"{len(translations)} translations cannot be scored against {len(expected)} references")
    sacrebleu = scorer()
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    bleu_score = bleu.corpus_score(translations, [expected]).score
    chrf_score = chrf.corpus_score(translations, [expected]).score
    return CorpusScores(bleu_score, str(bleu.get_signature()), chrf_score, str(chrf.get_signature()))
