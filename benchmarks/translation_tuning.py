"""What lifts the preset "tiny" of `latticework.translation`: one change at a time, judged on the validation sentences.

`python -m benchmarks.translation_tuning` trains every variant for --epochs epochs of Multi30k, English to German, each
in a process with one thread, --jobs of them side by side, and writes results/RECORD.json. The learning rate
falls with the step and not towards an end, so a run of few epochs is the beginning of a longer one.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import measuring, records
from benchmarks.kept import Kept

NAME = "translation_tuning"
COMMAND = "python -m benchmarks.translation_tuning"
TIMEOUT = 6 * 3600
BLEU_EVERY = 4  # epochs
# The preset as it was when this was measured; what was learnt moved it.
BEFORE: dict[str, Any] = {"dropout": 0.3, "batch_tokens": 2048, "warmup_steps": 800}
FINER = {"dropout": 0.2, "batch_tokens": 1024, "warmup_steps": 1600}  # what helped one by one, together
# Changes to that configuration; "vocab_size" and "precision" are parameters of the estimator.
VARIANTS: dict[str, dict[str, Any]] = {
    "preset": {},
    "batches of 1,024 tokens": {"batch_tokens": 1024, "warmup_steps": 1600},  # the same warm-up, in epochs
    "vocabulary 8,000": {"vocab_size": 8000},
    "dropout 0.2": {"dropout": 0.2},
    "4 layers": {"layers": 4},
    "vocabulary 2,000": {"vocab_size": 2000},
    "2 layers": {"layers": 2},
    "width 192": {"d_model": 192, "feed_forward": 768, "learning_rate": 0.6},
    "precision 32": {"precision": "32"},
    "half the learning rate": {"learning_rate": 0.35},
    "twice the warm-up": {"warmup_steps": 1600},
    "dropout 0.1": {"dropout": 0.1},
    "dropout 0.2 and batches of 1,024 tokens": FINER,
    "those and a vocabulary of 8,000": {**FINER, "vocab_size": 8000},
}


def main() -> None:
    """Run the variants, or, in a process of its own, one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2, help="variants trained side by side, a thread each")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--record", default=NAME, metavar="NAME", help="the record to write; one call fills one record")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where what each run found stays, if it is stopped")
    parser.add_argument("--train", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        print(json.dumps(train(arguments.train, arguments.epochs)))
    else:
        records.record(measure(arguments.only, arguments.epochs, arguments.jobs, arguments.record, arguments.keep))


def measure(variants: list[str], epochs: int, jobs: int, record: str, keep: Path | None = None) -> records.Result:
    """Train each variant in a process of its own."""
    env = measuring.environment(threads=1)
    kept = Kept.begun(keep, threads=1, jobs=jobs)

    def run(variant: str) -> dict[str, Any]:
        command = measuring.part_of(NAME, "--epochs", epochs, "--train", variant)
        return kept.run(f"{variant}, {epochs} epochs", command, env, TIMEOUT).output

    found = measuring.side_by_side(run, variants, jobs)
    rows = []
    for variant, run_of in found.items():
        for epoch, bleu in run_of["bleu"]:
            rows.append(records.Row(f"{variant}: BLEU, greedy, after {epoch} epochs", bleu, ""))
        rows.append(records.Row(f"{variant}: loss a sentence", run_of["loss"], "nats"))
        rows.append(records.Row(f"{variant}: processor time", run_of["minutes"], "min"))
    used = sorted({run_of["precision"] for run_of in found.values()})
    title = (
        f"Multi30k, en-de, validation sentences, changes to the preset tiny as it was, {epochs} epochs, seed 0, "
        f"precision {' and '.join(used)}; one run each"
    )
    command = records.command_line(
        COMMAND,
        epochs=epochs,
        jobs=jobs,
        only=None if variants == list(VARIANTS) else variants,
        record=None if record == NAME else record,
    )
    return records.make_result(record, title, command, rows, threads=1, jobs=jobs)


def train(variant: str, epochs: int) -> dict[str, Any]:
    """Train one variant; greedy BLEU of the candidate every few epochs, and the time that training alone took."""
    import latticework as lw
    from latticework.core.hardware import resolve_device, resolve_precision
    from latticework.seq2seq import learning
    from latticework.seq2seq.vocabulary import Vocabulary
    from latticework.translation import TransformerTranslator, corpus_scores
    from latticework.translation.learned import Learned
    from latticework.translation.presets import PRESETS

    changes = BEFORE | VARIANTS[variant]
    options = {name: changes.pop(name) for name in ("vocab_size", "precision") if name in changes}
    config = replace(PRESETS["tiny"].config, **changes)
    translator = TransformerTranslator("tiny", max_epochs=epochs, config=config, random_state=0, **options)
    source, target = lw.datasets.load("multi30k", split="train")
    held_out = lw.datasets.load("multi30k", split="val")
    points: list[tuple[int, float]] = []
    validations, scoring = 0, 0.0
    vocabulary: Vocabulary | None = None
    learn, validate = Vocabulary.train, learning.PairsTask.validate

    def keep_vocabulary(*texts: Any, **sizes: Any) -> Vocabulary:
        nonlocal vocabulary
        vocabulary = learn(*texts, **sizes)
        return vocabulary

    def score_too(task: learning.PairsTask) -> dict[str, float]:
        nonlocal validations, scoring
        validations += 1
        if validations % BLEU_EVERY == 0 or validations == epochs:
            began = time.process_time()
            assert vocabulary is not None
            translator.learned_ = Learned(config, vocabulary, task.model)
            translations = translator.predict(held_out[0], beam_size=1)
            points.append((validations, corpus_scores(translations, held_out[1]).bleu))
            scoring += time.process_time() - began
        return validate(task)

    Vocabulary.train, learning.PairsTask.validate = keep_vocabulary, score_too
    began = time.process_time()
    translator.fit(source, target, held_out)
    minutes = (time.process_time() - began - scoring) / 60
    last = [row["valid_loss"] for row in translator.history_ if "valid_loss" in row][-1]
    pieces = int(translator.vocabulary_.encode(held_out[1]).lengths.sum())
    precision = resolve_precision(translator.precision, resolve_device(translator.device))
    return {"bleu": points, "loss": last * pieces / len(held_out[1]), "minutes": minutes, "precision": precision}


if __name__ == "__main__":
    main()
