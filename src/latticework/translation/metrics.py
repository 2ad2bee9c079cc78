"""Corpus scores as the field reports them: sacreBLEU's BLEU and chrF, with the signatures that make them comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latticework.core.errors import InputError, require


@dataclass(frozen=True)
class CorpusScores:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015), both from 0 to 100."""

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str


def corpus_scores(hypotheses: Sequence[str], references: Sequence[str]) -> CorpusScores:
    """Score translations against one reference each, on raw text.

    Raises
    ------
    InputError
        If there are none, or not as many of one as of the other.

    Examples
    --------
    >>> round(corpus_scores(["das Haus ist klein ."], ["das Haus ist klein ."]).bleu)
    100
    """
    if len(hypotheses) != len(references) or not references:
        raise InputError(f"{len(hypotheses)} translations cannot be scored against {len(references)} references")
    sacrebleu = require("sacrebleu", extra="translation", purpose="scoring translations")
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    bleu_score = bleu.corpus_score(list(hypotheses), [list(references)]).score
    chrf_score = chrf.corpus_score(list(hypotheses), [list(references)]).score
    return CorpusScores(bleu_score, str(bleu.get_signature()), chrf_score, str(chrf.get_signature()))
