"""The benchmarks of the taggers run, on a few planted sentences instead of Resume NER, and rows have their targets."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import measuring, ner, ner_tuning, records
from latticework.ner import learning
from latticework.ner.planted import plant

FIGURES = {"f1", "precision", "recall", "dev", "minutes", "epochs"}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from latticework.core import datasets
    from latticework.ner import lexicon

    drawn = plant(seed=0, train=24, validation=6, test=6)
    words = tmp_path / "words.txt"  # instead of jieba's dictionary
    words.write_text("".join(f"{word}\n" for word in drawn.words), encoding="utf-8")
    monkeypatch.setattr(lexicon, "jieba_dictionary", lambda: words)
    splits = {"train": drawn.train, "dev": drawn.validation, "test": drawn.test}

    def load(name: str, *, split: str) -> SimpleNamespace:
        assert name == "resume-ner"
        return SimpleNamespace(sentences=list(map(list, splits[split].texts)), tags_in=lambda: splits[split].tags)

    monkeypatch.setattr(datasets, "load", load)
    monkeypatch.setattr(ner, "TENTH_EPOCHS", 1)
    monkeypatch.setattr(ner_tuning, "TENTH_EPOCHS", 1)


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("model", ner.MODELS)
def test_every_model_is_trained_and_scored(model: str) -> None:
    found = ner.fit(model, seed=0, share=0.5)
    assert set(found) == FIGURES
    assert 0 <= found["f1"] <= 100
    assert found["epochs"] == 1


def test_a_share_is_drawn_with_the_seed() -> None:
    sentences, tags = [[str(number)] for number in range(50)], [[f"S-{number}"] for number in range(50)]
    some, their_tags = ner.sample(sentences, tags, 0.1, 3)
    assert len(some) == 5
    assert [f"S-{sentence[0]}" for sentence in some] == [row[0] for row in their_tags]
    assert ner.sample(sentences, tags, 0.1, 3) == (some, their_tags) != ner.sample(sentences, tags, 0.1, 4)
    assert ner.sample(sentences, tags, 1, 3) == (sentences, tags)


def test_rows_have_the_promised_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_measured(command: list[str], env: dict[str, str], timeout: float) -> measuring.Measured:
        part = command[command.index("--part") + 1]
        if part == "fit":
            name, seed = command[command.index("--model") + 1], int(command[command.index("--seed") + 1])
            output = dict.fromkeys(FIGURES, 90.0 + seed + (name == "lattice") * 0.5)
        else:
            output = {"million": {"vectors": 5, "seconds": 2.0}, "data": {"entities": 7}}[part]
        return measuring.Measured(tuple(command), 1.0, 1.0, 2 * 10**9, output)

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(sys, "argv", ["ner", "--seeds", "3", "--jobs", "4"])
    ner.main()
    assert recorded[0].command == "python -m benchmarks.ner --seeds 3 --jobs 4"
    assert recorded[0].machine["cores_used"] == 4
    rows = {row.name: row for row in recorded[0].rows}
    lattice = rows["F1, test, lattice"]
    assert (lattice.value, lattice.low, lattice.high, lattice.target, lattice.met) == (91.5, 90.5, 92.5, ">= 93", False)
    assert rows["F1, test, lattice over characters"].value == 0.5
    assert rows["F1, test, lattice over characters"].met
    assert rows["F1, test, characters + softword over characters"].value == 0
    assert rows["F1, test, characters + softword over lattice"].value == -0.5
    assert rows["F1, test, a tenth of training, lattice over characters"].met is False
    assert rows["a million words: peak memory of fit and predict"].met


@pytest.mark.parametrize("variant", ner_tuning.VARIANTS)
def test_a_variant_changes_fields_that_exist(variant: str) -> None:
    from latticework.ner import TaggerConfig

    assert set(ner_tuning.VARIANTS[variant]) <= {field.name for field in fields(TaggerConfig)} | {
        "kind",
        "vectors",
        "sgd",
    }


def test_variants_side_by_side_are_in_the_command_and_in_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_measured(command: list[str], env: dict[str, str], timeout: float) -> measuring.Measured:
        return measuring.Measured(tuple(command), 1.0, 1.0, 10**9, {"f1": float(command[-1]), "minutes": 2.0})

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(sys, "argv", ["ner_tuning", "--seeds", "2", "--jobs", "3"])
    ner_tuning.main()
    (result,) = recorded
    assert result.command == "python -m benchmarks.ner_tuning --seeds 2 --jobs 3"
    assert result.machine["cores_used"] == 3
    assert result.rows[0].value == 0.5


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("variant", ["before", "characters alone", "both, vectors of words", "both, the paper's SGD"])
def test_a_variant_is_trained(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_adam", "warmup_then_linear"):  # it replaces these for good, in a process of its own
        monkeypatch.setattr(learning, name, getattr(learning, name))
    monkeypatch.setattr(ner_tuning, "SHARE", 0.5)
    found = ner_tuning.train(variant, seed=0)
    assert 0 <= found["f1"] <= 100
    assert found["minutes"] > 0
