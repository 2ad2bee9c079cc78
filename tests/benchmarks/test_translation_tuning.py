"""The comparison of variants runs, on a few numbers in words, and every variant changes something that exists."""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields

import pytest

from benchmarks import measuring, records, translation_tuning
from benchmarks.translation_tuning import VARIANTS
from latticework.core.hardware import PRECISIONS
from latticework.seq2seq import learning
from latticework.seq2seq.vocabulary import Vocabulary
from latticework.translation import TransformerConfig, TransformerTranslator


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """`train` has a process of its own, where it replaces two functions for good."""
    monkeypatch.setattr(Vocabulary, "train", Vocabulary.train)
    monkeypatch.setattr(learning.PairsTask, "validate", learning.PairsTask.validate)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_changes_fields_that_exist(variant: str) -> None:
    configured = {field.name for field in fields(TransformerConfig)}
    options = set(inspect.signature(TransformerTranslator).parameters)
    assert set(VARIANTS[variant]) <= configured | (options & {"vocab_size", "precision"})


@pytest.mark.usefixtures("small", "restored")
def test_a_variant_is_trained_and_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation_tuning, "BLEU_EVERY", 2)
    found = translation_tuning.train("precision 32", epochs=3)
    assert [epoch for epoch, _ in found["bleu"]] == [2, 3]
    assert all(0 <= bleu <= 100 for _, bleu in found["bleu"])
    assert found["loss"] > 0
    assert found["minutes"] > 0
    assert found["precision"] == "32"
    assert found["precision"] in PRECISIONS


def test_the_variants_asked_for_are_measured_and_put_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_measured(command: list[str], env: dict[str, str], timeout: float) -> measuring.Measured:
        precision = "32" if command[-1] == "precision 32" else "bf16"
        output = {"bleu": [[1, 7.0]], "loss": 40.0, "minutes": 2.0, "precision": precision}
        return measuring.Measured(tuple(command), 60.0, 90.0, 10**9, output)

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(sys, "argv", ["tuning", "--epochs", "1", "--jobs", "3", "--only", "preset", "precision 32"])
    translation_tuning.main()
    (result,) = recorded
    assert result.title.endswith("1 epochs, seed 0, precision 32 and bf16; one run each")
    assert result.command == "python -m benchmarks.translation_tuning --epochs 1 --jobs 3 --only preset 'precision 32'"
    assert result.machine["cores_used"] == 3
    assert {row.name: row.value for row in result.rows} == {
        f"{variant}: {figure}": value
        for variant in ("preset", "precision 32")
        for figure, value in (("BLEU, greedy, after 1 epochs", 7.0), ("loss a sentence", 40.0), ("processor time", 2.0))
    }
