"""The comparison with peers: the same model in all of them, and figures put together from what the drivers print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import HERE, commits, measuring, records, translation, translation_peers, translation_peers_job
from benchmarks.peers import latticework_driver, timing, torch_driver
from latticework.core import datasets
from latticework.seq2seq.learning import PairsTask
from latticework.seq2seq.vocabulary import Vocabulary
from latticework.translation import TransformerTranslator

pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")


@pytest.fixture
def saved(small: None, tmp_path: Path) -> TransformerTranslator:
    """A translator of a few numbers in words, saved in `tmp_path`/model."""
    translator = TransformerTranslator("tiny", random_state=0, device="cpu")
    translator.fit(*datasets.load("multi30k", split="train"))
    translator.save(tmp_path / "model")
    return translator


def write_job(folder: Path, translator: TransformerTranslator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    def export(self: TransformerTranslator, form: str, place: Path, *, quantization: str | None = None) -> None:
        place.mkdir()
        (place / "weights").write_text(f"{form} {quantization}", encoding="utf-8")

    monkeypatch.setattr(TransformerTranslator, "export", export, raising=False)
    return translation_peers_job.write_job(folder, folder / "model", 1)


def test_what_the_drivers_read_is_written(
    saved: TransformerTranslator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = write_job(tmp_path, saved, monkeypatch)
    written = json.loads((tmp_path / timing.JOB).read_text(encoding="utf-8"))
    sources, targets = datasets.load("multi30k", split="test_2016_flickr")
    assert references == targets
    assert written["sentences"] == sources
    assert written["pieces"] == saved.vocabulary_.encode(sources).lengths.tolist()
    assert {cell["name"] for cell in written["cells"]} >= {"batches of 1, beam 4", "whole file, beam 1"}
    assert (tmp_path / "ctranslate2-float32" / "weights").read_text(encoding="utf-8") == "ctranslate2 None"
    assert (tmp_path / "ctranslate2-int8" / "weights").read_text(encoding="utf-8") == "ctranslate2 int8"
    settings = json.loads((tmp_path / "joeynmt.yaml").read_text(encoding="utf-8"))
    assert Path(settings["data"]["train"] + ".de").read_text(encoding="utf-8").count("\n") == 300
    pieces = Path(settings["data"]["src"]["voc_file"]).read_text(encoding="utf-8").split("\n")[:-1]
    assert pieces[:4] == ["<unk>", "<pad>", "<s>", "</s>"]
    assert len(pieces) == len(saved.vocabulary_)
    state = torch.load(settings["testing"]["load_model"], weights_only=True)["model_state"]
    assert state["src_embed.lut.weight"].shape == saved.model_.embedding.shape
    assert Vocabulary(Path(settings["data"]["trg"]["tokenizer_cfg"]["model_file"]).read_bytes()).model


def test_the_plain_loop_translates_as_we_do(
    saved: TransformerTranslator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_job(tmp_path, saved, monkeypatch)
    written = json.loads((tmp_path / timing.JOB).read_text(encoding="utf-8"))
    written["cells"] = [{"name": "cell", "batch": 7, "beam": 1, "sentences": 20}]
    ours = latticework_driver.decode(tmp_path, written)["cell"]["texts"]
    plain = torch_driver.decode(tmp_path, written)["cell"]["texts"]
    assert len(set(ours)) > 1
    assert ours == saved.predict(written["sentences"], beam_size=1, length_penalty=0.0)
    assert plain == ours


@pytest.mark.parametrize(
    "train",
    [latticework_driver.TASKS["train-32"], torch_driver.TASKS["train-32"], torch_driver.TASKS["train-bf16"]],
    ids=["ours", "plain loop", "plain loop in bfloat16"],
)
def test_steps_of_training_are_timed(
    saved: TransformerTranslator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Any
) -> None:
    write_job(tmp_path, saved, monkeypatch)
    written = json.loads((tmp_path / timing.JOB).read_text(encoding="utf-8")) | {"warm_up": 1, "steps": 4}
    figures = train(tmp_path, written)
    assert figures["wall"] > 0
    pairs = tuple(saved.vocabulary_.encode(texts) for texts in datasets.load("multi30k", split="train"))
    task = PairsTask(saved.model_, pairs)
    assert figures["tokens"] == sum(task.terms(batch) for batch in task.batches(0)[1:5])


def measured(output: dict[str, Any]) -> measuring.Measured:
    return measuring.Measured(("x",), 60.0, 90.0, 10**9, output)


SPEED = {
    "ours": 6,
    "JoeyNMT": 1,
    "CTranslate2": 12,
    "CTranslate2, a batch a thread": 18,
    "CTranslate2 int8": 24,
    "plain loop": 2,
}
TOKENS = {"ours": 2000, "JoeyNMT": 1000, "plain loop": 1600}


def run_of(
    command: measuring.Command, env: measuring.Env, timeout: float, cores: int | None = None
) -> measuring.Measured:
    """What a driver would print: the module and the task of the command say what it is."""
    assert cores == int(env["OMP_NUM_THREADS"])
    *unset, python, _, module, folder, task = map(str, command)
    system = {"latticework": "ours", "joeynmt": "JoeyNMT", "ctranslate2": "CTranslate2", "torch": "plain loop"}[
        module.removeprefix("benchmarks.peers.").removesuffix("_driver")
    ]
    here = system in ("ours", "plain loop")
    assert python == (sys.executable if here else system.lower())
    assert unset == ["env", "--unset=OMP_WAIT_POLICY", "--unset=GOMP_SPINCOUNT"]
    if task.startswith("train"):
        return measured({"wall": 1.0, "cpu": 2.0, "tokens": TOKENS[system]})
    apart = task.endswith("apart")
    system += " int8" if task.endswith("int8") else ", a batch a thread" if apart else ""
    written = json.loads((Path(folder) / timing.JOB).read_text(encoding="utf-8"))
    texts = ["same"] * 20 if system != "JoeyNMT" else ["same"] * 19 + ["other"]
    figures = {"wall": 20 / SPEED[system], "cpu": 40 / SPEED[system], "texts": texts}
    names = [cell["name"] for cell in written["cells"]]
    skipped = {"plain loop": "whole", "CTranslate2, a batch a thread": "batches"}.get(system, "nothing")
    return measured({name: figures for name in names if not name.startswith(skipped)})


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> list[records.Result]:
    """Let no process run, and keep what is recorded."""

    def write(folder: Path, model: Path, threads: int) -> list[str]:
        cells = [{"name": translation_peers_job.cell_name(batch, beam)} for batch in (1, None) for beam in (1, 4)]
        (folder / timing.JOB).write_text(json.dumps({"cells": cells}), encoding="utf-8")
        return ["same"] * 20

    recorded: list[records.Result] = []
    show = records.record

    def record(result: records.Result, *, lacks: list[str]) -> None:
        if lacks:
            show(result, lacks=lacks)
        else:
            recorded.append(result)

    def likelihoods(model: Path, texts: list[str]) -> list[tuple[float, int]]:
        return [(-4.0, 3) if text == "same" else (-2.0, 23) for text in texts]

    monkeypatch.setattr(translation_peers, "likelihoods", likelihoods)
    monkeypatch.setattr(commits, "identity", lambda model: f"weights of {model.name}")
    monkeypatch.setattr(translation_peers, "make_model", lambda model, env: None)
    monkeypatch.setattr(translation_peers, "write_job", write)
    monkeypatch.setattr(measuring, "peer_environment", Path)
    monkeypatch.setattr(measuring, "run_measured", run_of)
    monkeypatch.setattr(records, "record", record)
    monkeypatch.setattr(
        "latticework.translation.corpus_scores",
        lambda texts, references: SimpleNamespace(bleu=5.0 * sum(map(str.__eq__, texts, references))),
    )
    return recorded


def test_every_system_takes_its_turn_and_the_result_goes_on_record(
    stubbed: list[records.Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "--threads", "1", "--repeats", "2"])
    translation_peers.main()
    (result,) = stubbed
    assert result.command == "python -m benchmarks.translation_peers --threads 1 --repeats 2"
    assert result.versions["model"] == "weights of translation-seed-0"
    assert "joeynmt 2.3.0" in result.versions["peer joeynmt"]
    assert "ctranslate2 4.8.5" in result.versions["peer ctranslate2"]
    rows = {(row.name, row.unit): row for row in result.rows}
    assert len(rows) == len(result.rows)
    times = {name: row for (name, unit), row in rows.items() if unit == "times"}
    assert times["ours / JoeyNMT, geometric mean of all cells"].value == pytest.approx(6)
    assert times["ours / JoeyNMT, geometric mean of all cells, processor time"].value == pytest.approx(6)
    assert times["ours / JoeyNMT: batches of 1, beam 4"].met
    assert times["CTranslate2 / ours: whole file, beam 4"].value == pytest.approx(2)
    assert times["CTranslate2 / ours: whole file, beam 4"].met
    assert times["CTranslate2 int8 / ours, geometric mean of all cells"].target is None
    assert times["training, ours, default / JoeyNMT, default (float32)"].value == 2
    assert times["training, ours, float32 / JoeyNMT, default (float32)"].met
    assert rows["ours: whole file, beam 1", "sentences/s"].value == pytest.approx(6)
    assert rows["ours: whole file, beam 1, processor time", "sentences a processor second"].value == pytest.approx(3)
    assert rows["JoeyNMT: BLEU, whole file, beam 4", ""].value == 95
    for beam in (1, 4):
        same = f"translations that are ours to the letter, batches of 1, beam {beam}"
        assert rows[f"JoeyNMT: {same}", "%"].value == 95
        assert rows[f"CTranslate2 int8: {same}", "%"].value == 100
    assert rows["ours: log-probability of a translation, mean, whole file, beam 4", "nats"].value == -4
    assert rows["JoeyNMT: log-probability of a translation, mean, whole file, beam 4", "nats"].value == -3.9
    assert rows["JoeyNMT: pieces of a translation, mean, whole file, beam 4", ""].value == 4
    assert rows["JoeyNMT: translations more probable than ours, whole file, beam 4", "%"].value == 5
    assert rows["JoeyNMT: translations less probable than ours, whole file, beam 4", "%"].value == 0
    assert not [name for name, _ in rows if "probab" in name and "beam 1" in name]
    assert times["CTranslate2, a batch a thread / ours: whole file, beam 4"].value == pytest.approx(3)
    assert "CTranslate2, a batch a thread / ours: batches of 1, beam 4" not in times
    assert times["ours / plain loop, geometric mean of all cells"].value == pytest.approx(3)
    assert "ours / plain loop: batches of 1, beam 1" in times
    assert "ours / plain loop: whole file, beam 1" not in times
    assert not [name for name, _ in rows if name.startswith("plain loop") and "whole file" in name]
    assert rows["training: plain loop, float32", "target tokens/s"].value == 1600
    assert rows["training: plain loop, float32, processor time", "target tokens a processor second"].value == 800


def test_half_of_it_is_shown_and_not_recorded(
    stubbed: list[records.Result], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "--repeats", "1", "--only", "training"])
    translation_peers.main()
    assert not stubbed
    shown = capsys.readouterr().out
    assert "| training: JoeyNMT, bfloat16 | 1,000 target tokens/s |" in shown
    assert "batches of" not in shown
    assert "python -m benchmarks.translation_peers --threads 2 --repeats 1 --only training`" in shown
    assert "not recorded, for it lacks: decoding" in shown


def test_a_translation_is_as_probable_as_its_perplexity_says(saved: TransformerTranslator, tmp_path: Path) -> None:
    sources, texts = datasets.load("multi30k", split="test_2016_flickr")
    found = translation_peers.likelihoods(tmp_path / "model", texts)
    assert [pieces for _, pieces in found] == saved.vocabulary_.encode(texts).lengths.tolist()
    for source, text, (log_p, pieces) in zip(sources, texts, found, strict=True):
        assert np.exp(-log_p / pieces) == pytest.approx(saved.perplexity([source], [text]), rel=1e-4)


def test_other_weights_are_not_compared(stubbed: list[records.Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation_peers, "AGREEMENT", 96)
    monkeypatch.setattr(sys, "argv", ["peers", "--repeats", "1"])
    with pytest.raises(RuntimeError, match="JoeyNMT: only 95 % of the greedy translations are ours"):
        translation_peers.main()
    assert not stubbed


def test_a_missing_model_is_trained_first(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: measuring.Command, env: measuring.Env, timeout: float) -> measuring.Measured:
        assert command[-2:] == ["--part", "fit"]
        return measured(translation.fit(Path(command[command.index("--folder") + 1]), seed=0))

    monkeypatch.setattr(measuring, "run_measured", run)
    monkeypatch.setattr(translation, "MODELS", tmp_path)
    monkeypatch.setattr(translation_peers, "MODEL", tmp_path / "translation-seed-0")
    translation_peers.make_model(translation_peers.MODEL, {})
    written = (translation_peers.MODEL / "config.json").stat().st_mtime_ns
    translation_peers.make_model(translation_peers.MODEL, {})
    assert (translation_peers.MODEL / "config.json").stat().st_mtime_ns == written
    with pytest.raises(SystemExit, match="holds no translator"):
        translation_peers.make_model(tmp_path / "elsewhere", {})


@pytest.mark.parametrize("name", translation_peers.PEERS)
def test_a_peer_has_exact_versions_and_a_driver(name: str) -> None:
    folder = HERE / "peers"
    assert name in measuring.pins(folder / f"{name}.txt")
    assert (folder / f"{name}_driver.py").exists()
