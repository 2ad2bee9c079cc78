"""Quality, time and memory of `latticework.translation` on Multi30k, English to German.

`python -m benchmarks.translation` trains the preset "tiny" once for each of --seeds, tests it on test_2016 and writes
results/translation.json. Test sentences decide nothing: weights are chosen by the loss on the validation sentences.
The models stay in .models/translation-seed-0, -1, ..., where other benchmarks find them, with a note of the commit that
trained them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks import HERE, commits, measuring, records

NAME = "translation"
COMMAND = "python -m benchmarks.translation"
CURVE_MINUTES = (2, 5, 10, 15, 20, 25, 30, 35, 40)
BEAMS = (1, 4, 8)
TIMEOUT = 3 * 3600
LAST = "last.safetensors"
MODELS = HERE / ".models"


def main() -> None:
    """Run the benchmark, or, in a process of its own, one part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many trainings, with seeds 0, 1, ...")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--part", choices=("fit", "predict", "search", "curve", "tour"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        parts = {"fit": fit, "predict": predict, "search": search, "curve": curve, "tour": tour}
        print(json.dumps(parts[arguments.part](arguments.folder, arguments.seed)))
        return
    records.record(measure(arguments.seeds, arguments.threads))


def measure(seeds: int, threads: int) -> records.Result:
    """Train, translate and score in processes of their own, so that each has its own peak of memory."""
    env = measuring.environment(threads)
    trained, translated, searched, curves, toured = [], [], [], [], []
    models: dict[str, str] = {}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            command = measuring.part_of(NAME, "--folder", folder, "--seed", seed, "--part")
            trained.append(measuring.run_measured([*command, "fit"], env, TIMEOUT))
            translated.append(measuring.run_measured([*command, "predict"], env, TIMEOUT))
            searched.append(measuring.run_measured([*command, "search"], env, TIMEOUT).output)
            curves.append(measuring.run_measured([*command, "curve"], env, TIMEOUT).output["points"])
            toured.append(measuring.run_measured([*command, "tour"], env, TIMEOUT).output)
            models[f"model of seed {seed}"] = commits.identity(keep_model(Path(folder), seed))
    made, found = [run.output for run in trained], [run.output for run in translated]

    def row(name: str, values: list[float], unit: str, target: str | None = None) -> records.Row:
        return records.Row.of(name, values, unit, target)

    rows = [
        row("BLEU, test_2016, beam 4", [run["bleu"] for run in found], "", ">= 30"),
        row("chrF, test_2016, beam 4", [run["chrf"] for run in found], ""),
        *(row(f"BLEU, test_2016, {name}", [run[name] for run in searched], "") for name in searched[0]),
        row("BLEU, validation, beam 4", [run["validation"] for run in found], ""),
        row("training, wall", [run["minutes"] for run in made], "min", "<= 40"),
        row("training, cpu", [run.cpu / 60 for run in trained], "min"),
        row("training, target tokens a second (wall)", [run["tokens_per_second"] for run in made], ""),
        row("peak memory of fit", [run.peak_memory / 1e6 for run in trained], "MB", "<= 1500"),
        row("peak memory of predict", [run.peak_memory / 1e6 for run in translated], "MB", "<= 800"),
        row("padding, source and target of an epoch", [run["padding"] for run in made], "%", "<= 5"),
        row("translating test_2016, beam 4", [run["sentences_per_second"] for run in found], "sentences/s"),
        row("weights", [run["weights"] for run in made], ""),
    ]
    for minutes in CURVE_MINUTES:
        reached = [dict(map(tuple, points)).get(minutes) for points in curves]
        if None not in reached:
            rows.append(row(f"BLEU, test_2016, greedy, after {minutes} min", reached, ""))
    rows.append(row("tour: unseen numbers without an error", [stop["exact"] for stop in toured], "%", ">= 95"))
    rows.append(row("tour: training, wall", [stop["seconds"] for stop in toured], "s", "<= 90"))
    title = (
        f"Multi30k, English to German, preset tiny, {seeds} seed(s): median, smallest, largest; "
        f"precision {made[0]['precision']}; BLEU {found[0]['signature']}"
    )
    command = records.command_line(COMMAND, seeds=seeds, threads=threads)
    return records.make_result(NAME, title, command, rows, threads=threads, others=models)


def keep_model(folder: Path, seed: int) -> Path:
    """Leave the model where other benchmarks look for it, and give that place; what was there before goes."""
    kept = MODELS / f"translation-seed-{seed}"
    kept.parent.mkdir(exist_ok=True)
    shutil.rmtree(kept, ignore_errors=True)
    shutil.move(folder / "model", kept)
    commits.note_commit(kept)
    return kept


def fit(folder: Path, seed: int) -> dict[str, float | str]:
    """Train and save; keep the candidate at each validation, and what the clock said, for the curve."""
    import numpy as np
    import torch

    import latticework as lw
    from latticework.core.hardware import resolve_device, resolve_precision
    from latticework.core.persistence import TRAINING
    from latticework.seq2seq import learning
    from latticework.translation import TransformerTranslator

    source, target = lw.datasets.load("multi30k", split="train")
    started = time.monotonic()
    kept = 0
    validate = learning.PairsTask.validate

    def keep_candidate(task: learning.PairsTask) -> dict[str, float]:
        nonlocal kept
        kept += 1
        weights = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
        torch.save({"minutes": (time.monotonic() - started) / 60, "weights": weights}, folder / f"candidate-{kept}.pt")
        newest = max((folder / "model" / TRAINING).glob("snapshot-*"), key=lambda path: path.stat().st_mtime)
        shutil.copy(newest, folder / LAST)  # the weights as they are; the candidate is a mean of several
        return validate(task)

    learning.PairsTask.validate = keep_candidate
    translator = TransformerTranslator("tiny", random_state=seed)
    translator.fit(source, target, lw.datasets.load("multi30k", split="val"), folder=folder / "model")
    minutes = (time.monotonic() - started) / 60
    encoded = [translator.vocabulary_.encode(texts).lengths for texts in (target, source)]
    batches = learning.token_batches(encoded, translator.config_.batch_tokens, np.random.default_rng(0))
    padded = sum(len(batch) * (encoded[0][batch].max() + encoded[1][batch].max()) for batch in batches)
    tokens = sum(side.sum() for side in encoded)
    speeds = sorted(row["terms_per_second"] for row in translator.history_ if "terms_per_second" in row)
    return {
        "minutes": minutes,
        "precision": resolve_precision(translator.precision, resolve_device(translator.device)),
        "padding": float(100 * (1 - tokens / padded)),
        "tokens_per_second": speeds[len(speeds) // 2],
        "weights": sum(parameter.numel() for parameter in translator.model_.parameters()),
    }


def predict(folder: Path, seed: int) -> dict[str, float | str]:
    """Translate the test sentences with the saved model, as the command does."""
    import latticework as lw
    from latticework.translation import corpus_scores

    translator = lw.load(folder / "model")
    source, references = lw.datasets.load("multi30k", split="test_2016_flickr")
    started = time.monotonic()
    scores = corpus_scores(translator.predict(source), references)
    seconds = time.monotonic() - started
    return {
        "bleu": scores.bleu,
        "signature": scores.bleu_signature,
        "chrf": scores.chrf,
        "sentences_per_second": len(source) / seconds,
        "validation": translator.score(*lw.datasets.load("multi30k", split="val")),
    }


def search(folder: Path, seed: int) -> dict[str, float]:
    """BLEU of wider searches, with the weights that were kept and with those that the last epoch left."""
    from safetensors.torch import load_file

    import latticework as lw
    from latticework.translation import corpus_scores

    translator = lw.load(folder / "model")
    source, references = lw.datasets.load("multi30k", split="test_2016_flickr")
    found = {}
    for weights in ("", ", last weights alone"):
        if weights:
            translator.model_.load_state_dict(load_file(folder / LAST))
        for beam in BEAMS:
            name = ("greedy" if beam == 1 else f"beam {beam}") + weights
            if name != "beam 4":  # `predict` scores that one
                found[name] = corpus_scores(translator.predict(source, beam_size=beam), references).bleu
    return found


def curve(folder: Path, seed: int) -> dict[str, list[tuple[int, float]]]:
    """BLEU of the last candidate that was there after so many minutes."""
    import torch

    import latticework as lw
    from latticework.translation import corpus_scores

    translator = lw.load(folder / "model")
    source, references = lw.datasets.load("multi30k", split="test_2016_flickr")
    candidates = [torch.load(path, weights_only=True) for path in folder.glob("candidate-*.pt")]
    points = []
    for minutes in CURVE_MINUTES:
        ready = [candidate for candidate in candidates if candidate["minutes"] <= minutes]
        if ready and minutes < max(candidate["minutes"] for candidate in candidates) + 5:
            translator.model_.load_state_dict(max(ready, key=lambda candidate: candidate["minutes"])["weights"])
            points.append((minutes, corpus_scores(translator.predict(source, beam_size=1), references).bleu))
    return {"points": points}


def tour(folder: Path, seed: int) -> dict[str, float]:
    """What the tour's stop says of itself."""
    from latticework.translation import tour as stops

    facts = dict(stops.stop(seed=seed).facts)
    exact, seconds = str(facts["exact translations"]), str(facts["seconds of training"])
    return {"exact": float(exact.removesuffix("%")), "seconds": float(seconds)}


if __name__ == "__main__":
    main()
