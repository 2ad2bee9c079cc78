"""Corpus scores are sacreBLEU's, with signatures that say how they were computed."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import sacrebleu

from latticework.core import InputError, MissingExtraError
from latticework.translation import corpus_scores

HYPOTHESES = ["Der Hund sieht die Katze.", "Ein Haus", "", "Die Katze hört den Baum , oder ?"]
REFERENCES = ["Der Hund sieht eine Katze.", "Ein Haus steht dort.", "Nichts.", "Die Katze hört den Baum, oder?"]


def test_scores_are_sacrebleus():
    scores = corpus_scores(HYPOTHESES, REFERENCES)
    assert scores.bleu == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    assert scores.chrf == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score
    assert 0 < scores.bleu < 100
    assert scores.bleu != scores.chrf


def test_bleu_of_a_case_that_can_be_reckoned_by_hand():
    scores = corpus_scores(["a b c d e"], ["a b c d f"])
    assert scores.bleu == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4))


def test_signatures_say_what_makes_figures_comparable():
    scores = corpus_scores(HYPOTHESES, REFERENCES)
    version = f"version:{sacrebleu.__version__}"
    assert scores.bleu_signature == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|{version}"
    assert scores.chrf_signature == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|{version}"


def test_equal_texts_score_a_hundred_and_unrelated_ones_nothing():
    equal, unrelated = corpus_scores(REFERENCES[:2], REFERENCES[:2]), corpus_scores(["x"], ["Der Hund"])
    assert (equal.bleu, equal.chrf) == pytest.approx((100, 100))
    assert (unrelated.bleu, unrelated.chrf) == (0, 0)


def test_case_and_order_count():
    assert corpus_scores([text.upper() for text in REFERENCES], REFERENCES).bleu < 10
    assert corpus_scores(REFERENCES[::-1], REFERENCES).bleu < corpus_scores(REFERENCES, REFERENCES).bleu


@pytest.mark.parametrize("hypotheses, references", [([], []), (["a"], []), (["a"], ["b", "c"])])
def test_unequal_or_no_sentences_are_refused(hypotheses, references):
    message = f"{len(hypotheses)} translations cannot be scored against {len(references)} references"
    with pytest.raises(InputError, match=message):
        corpus_scores(hypotheses, references)


@pytest.mark.parametrize(
    "hypotheses, references, message",
    [
        ("ab", "ab", "hypotheses: expected a list of sentences, got a single str"),
        (["a"], None, "references: expected a list of sentences, got a single NoneType"),
        (["a", 1], ["a", "b"], "hypotheses[1]: expected text, got int"),
        (["a"], ["\ud800"], "references[0]: not valid Unicode text"),
        (np.array([1, 2]), ["a", "b"], "hypotheses[0]: expected text, got int64"),
    ],
)
def test_what_is_no_list_of_texts_is_named(hypotheses, references, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        corpus_scores(hypotheses, references)


def test_arrays_and_generators_are_scored_as_lists_are():
    expected = corpus_scores(HYPOTHESES, REFERENCES)
    assert corpus_scores(np.array(HYPOTHESES), iter(REFERENCES)) == expected


def test_without_sacrebleu_the_line_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingExtraError, match=r"sacrebleu: pip install 'latticework\[translation\]'"):
        corpus_scores(["a"], ["a"])


def test_without_sacrebleu_nothing_is_translated_in_vain(monkeypatch, translator, latticework, model_folder, write):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    monkeypatch.setattr(type(translator), "predict", None)
    with pytest.raises(MissingExtraError, match="scoring translations needs sacrebleu"):
        translator.score(["a"], ["a"])
    ended = latticework("translate", "evaluate", model_folder, write("a.tsv", ["a\tb"]))
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("error: scoring translations needs sacrebleu: pip install")
