"""The benchmark of translation runs: its parts on a few numbers in words instead of Multi30k."""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from benchmarks import commits, measuring, records, translation
from latticework.core.hardware import PRECISIONS
from latticework.translation import TransformerTranslator


@pytest.mark.usefixtures("small")
def test_the_parts_give_the_figures_that_the_table_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation, "CURVE_MINUTES", (0, 5))
    trained = translation.fit(tmp_path, seed=0)
    assert trained["minutes"] > 0
    assert trained["precision"] in PRECISIONS
    assert 0 < trained["padding"] < 30
    assert trained["tokens_per_second"] > 0
    found = translation.predict(tmp_path, seed=0)
    assert 0 <= found["bleu"] <= 100
    assert "tok:13a" in found["signature"]
    beams = ["greedy", "beam 8", *(f"{name}, last weights alone" for name in ("greedy", "beam 4", "beam 8"))]
    assert list(translation.search(tmp_path, seed=0)) == beams
    [(minutes, _)] = translation.curve(tmp_path, seed=0)["points"]
    assert minutes == 5  # after 0 minutes there was no candidate


@pytest.mark.usefixtures("small")
def test_each_point_of_the_curve_is_that_of_the_newest_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So early BLEU is 0 whatever the weights: a translator that says one of its weights tells them apart."""
    translation.fit(tmp_path, seed=0)
    made = [(1, tmp_path / "candidate-1.pt"), (3, tmp_path / "candidate-2.pt")]
    for minutes, path in made:
        weights = torch.load(path, weights_only=True)["weights"]
        weights["embedding"][-1] = minutes
        torch.save({"minutes": minutes, "weights": weights}, path)

    def says_weight(self: TransformerTranslator, sentences: list[str], **search: int) -> list[str]:
        assert search == {"beam_size": 1}
        return [f"{self.model_.embedding[-1, 0]:.0f}"] * len(sentences)

    monkeypatch.setattr(TransformerTranslator, "predict", says_weight)
    monkeypatch.setattr(
        "latticework.translation.corpus_scores", lambda texts, references: SimpleNamespace(bleu=float(texts[0]))
    )
    monkeypatch.setattr(translation, "CURVE_MINUTES", (0, 1, 2, 3, 5, 60))
    assert translation.curve(tmp_path, seed=0)["points"] == [(1, 1.0), (2, 1.0), (3, 3.0), (5, 3.0)]


def stub(monkeypatch: pytest.MonkeyPatch, outputs: dict[str, dict[str, object]]) -> list[tuple[str, ...]]:
    """Let no process run: the word that a command ends in says what it gives."""
    commands = []

    def run_measured(command: list[str], env: dict[str, str], timeout: float) -> measuring.Measured:
        commands.append(tuple(command))
        return measuring.Measured(tuple(command), 60.0, 90.0, 10**9, outputs[command[-1]])

    monkeypatch.setattr(measuring, "run_measured", run_measured)
    return commands


def test_the_benchmark_measures_each_part_and_puts_the_result_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"bleu": 34.5, "chrf": 60.0, "validation": 35.0, "sentences_per_second": 99.0}
    outputs = {
        "fit": {"minutes": 30.0, "precision": "bf16", "padding": 2.5, "tokens_per_second": 9000.0, "weights": 600},
        "predict": {**scores, "signature": "tok:13a"},
        "search": {"greedy": 33.0, "beam 8": 34.6, "greedy, last weights alone": 32.0},
        "curve": {"points": [[2, 1.5], [5, 8.0]]},
        "tour": {"exact": 99.9, "seconds": 50.0},
    }
    commands = stub(monkeypatch, outputs)
    recorded: list[records.Result] = []
    monkeypatch.setattr(records, "record", recorded.append)
    monkeypatch.setattr(translation, "keep_model", lambda folder, seed: tmp_path / str(seed))
    monkeypatch.setattr(commits, "identity", lambda model: f"weights of {model.name}")
    monkeypatch.setattr(sys, "argv", ["translation", "--seeds", "2", "--threads", "1"])
    translation.main()
    assert [command[-1] for command in commands] == ["fit", "predict", "search", "curve", "tour"] * 2
    assert [command[command.index("--seed") + 1] for command in commands] == ["0"] * 5 + ["1"] * 5
    (result,) = recorded
    assert [result.versions[f"model of seed {seed}"] for seed in (0, 1)] == ["weights of 0", "weights of 1"]
    assert result.command == "python -m benchmarks.translation --seeds 2 --threads 1"
    assert "2 seed(s): median, smallest, largest; precision bf16; BLEU tok:13a" in result.title
    values = {row.name: row.value for row in result.rows}
    assert values["BLEU, test_2016, beam 4"] == 34.5
    assert values["BLEU, test_2016, beam 8"] == 34.6
    assert values["training, cpu"] == 1.5
    assert values["peak memory of fit"] == 1000
    assert [name for name in values if " after " in name] == [
        f"BLEU, test_2016, greedy, after {minutes} min" for minutes in (2, 5)
    ]


def test_a_part_prints_its_figures_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(translation, "curve", lambda folder, seed: {"points": [(seed, str(folder))]})
    monkeypatch.setattr(sys, "argv", ["translation", "--part", "curve", "--folder", "runs", "--seed", "3"])
    translation.main()
    assert json.loads(capsys.readouterr().out) == {"points": [[3, "runs"]]}


@pytest.mark.usefixtures("small")
def test_the_last_weights_are_those_that_the_run_left(tmp_path: Path) -> None:
    translation.fit(tmp_path, seed=0)
    candidates = [torch.load(tmp_path / f"candidate-{n}.pt", weights_only=True)["weights"] for n in (1, 2)]
    last = load_file(tmp_path / translation.LAST)
    for name, first in candidates[0].items():  # the second candidate is the mean of both epochs' weights
        torch.testing.assert_close(candidates[1][name], (first + last[name]) / 2)


def test_a_model_takes_the_place_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation, "MODELS", tmp_path / "models")
    for text in ("one", "two"):
        (tmp_path / "run" / "model").mkdir(parents=True)
        (tmp_path / "run" / "model" / text).touch()
        kept = translation.keep_model(tmp_path / "run", seed=3)
    assert kept == tmp_path / "models" / "translation-seed-3"
    assert {path.name for path in kept.iterdir()} == {"two", commits.NOTE}


@pytest.mark.usefixtures("small")
def test_a_model_is_known_by_its_weights_and_the_commit_that_trained_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation, "MODELS", tmp_path / "models")
    monkeypatch.setattr(commits, "commit_measured", lambda: "0123456789ab")
    told = []
    for seed in (0, 1):
        translation.fit(tmp_path, seed=seed)
        told.append(commits.identity(tmp_path / "model"))
        kept = translation.keep_model(tmp_path, seed=0)
        weights = told[-1].partition(",")[0]
        assert commits.identity(kept) == f"{weights}, trained by commit 0123456789ab"
        hashed = sha256(next(kept.glob("weights-*.safetensors")).read_bytes()).hexdigest()
        assert weights == f"tensors {sha256(hashed.encode()).hexdigest()[:12]}"
    assert told[0] != told[1]
    assert told[0].endswith(", trained by a commit that nobody noted")
