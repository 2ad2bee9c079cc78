"""What lifts the lattice tagger without outside data: one change at a time, judged on the development sentences.

`python -m benchmarks.ner_tuning` trains every variant with a tenth of Resume NER's training sentences (which tenth, the
seed says), once a seed, each in a process with one thread, --jobs of them side by side, and writes
results/ner_tuning.json. The test sentences are not read.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import measuring, records
from benchmarks.kept import Kept
from benchmarks.ner import SHARE, TENTH_EPOCHS, load, sample

NAME = "ner_tuning"
COMMAND = "python -m benchmarks.ner_tuning"
TIMEOUT = 3600
# The defaults as they were when this was measured; what was learnt moved them.
BEFORE: dict[str, Any] = {
    "char_unknown_rate": 0.25,
    "word_unknown_rate": 0.25,
    "word_dropout": 0.5,
    "learning_rate": 2e-3,
}
UNKNOWN: dict[str, Any] = {"word_unknown_rate": 1.0, "word_dropout": 0.2}
# Changes to that; "kind" is the class, "vectors" are learnt from the training sentences themselves.
VARIANTS: dict[str, dict[str, Any]] = {
    "before": {},
    "characters alone": {"kind": "CharacterTagger"},
    "characters and pairs": {"kind": "CharacterTagger", "bigrams": True},
    "words hidden more often": {"word_unknown_rate": 1.0},
    "word dropout 0.2": {"word_dropout": 0.2},
    "both": UNKNOWN,
    "both, and all dropout 0.3": {**UNKNOWN, "char_dropout": 0.3, "state_dropout": 0.3},
    "both, learning rate 0.004": {**UNKNOWN, "learning_rate": 4e-3},
    "both, batches of 8": {**UNKNOWN, "batch_size": 8},
    "both, batches of 32": {**UNKNOWN, "batch_size": 32},
    "both, no mean of checkpoints": {**UNKNOWN, "average_checkpoints": 1},
    "both, and pairs": {**UNKNOWN, "bigrams": True},
    "both, and pairs, learning rate 0.004": {**UNKNOWN, "bigrams": True, "learning_rate": 4e-3},
    "both, a forget gate of its own": {**UNKNOWN, "forget": "independent"},
    "both, vectors of characters": {**UNKNOWN, "vectors": ("characters",)},
    "both, vectors of words": {**UNKNOWN, "vectors": ("words",)},
    "both, the paper's SGD": {**UNKNOWN, "sgd": 0.015, "batch_size": 1, "average_checkpoints": 1, "clip_norm": None},
}


def main() -> None:
    """Run the variants, or, in a process of its own, one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="variants trained side by side, a thread each")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where what each run found stays, if it is stopped")
    parser.add_argument("--train", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        print(json.dumps(train(arguments.train, arguments.seed)))
    else:
        records.record(measure(arguments.seeds, arguments.jobs, arguments.keep))


def measure(seeds: int, jobs: int, keep: Path | None = None) -> records.Result:
    """Train each variant in processes of its own."""
    env = measuring.environment(threads=1)
    kept = Kept.begun(keep, threads=1, jobs=jobs)

    def run(job: tuple[str, int]) -> dict[str, float]:
        variant, seed = job
        command = measuring.part_of(NAME, "--train", variant, "--seed", seed)
        return kept.run(f"{variant}, seed {seed}", command, env, TIMEOUT).output

    runs = [(variant, seed) for variant in VARIANTS for seed in range(seeds)]
    found = measuring.side_by_side(run, runs, jobs)
    rows = []
    for variant in VARIANTS:
        of_seeds = [found[variant, seed] for seed in range(seeds)]
        rows.append(records.Row.mean(f"{variant}: F1, development", [each["f1"] for each in of_seeds], ""))
        rows.append(records.Row.mean(f"{variant}: processor time", [each["minutes"] for each in of_seeds], "min"))
    title = (
        f"Resume NER, development sentences, a tenth of the training sentences, {TENTH_EPOCHS} epochs, changes to the "
        f"lattice as it was, {seeds} seed(s): mean, smallest, largest; F1 in %"
    )
    command = records.command_line(COMMAND, seeds=seeds, jobs=jobs)
    return records.make_result(NAME, title, command, rows, threads=1, jobs=jobs)


def train(variant: str, seed: int) -> dict[str, float]:
    """Train one variant: the best F1 on the development sentences, and the time it took."""
    import torch

    from latticework import ner
    from latticework.ner import learning

    changes = BEFORE | VARIANTS[variant]
    kind = getattr(ner, changes.pop("kind", "LatticeTagger"))
    learnt, sgd = changes.pop("vectors", ()), changes.pop("sgd", None)
    if sgd is not None:  # the paper's optimiser and schedule: 0.015, a twentieth less every epoch
        changes["learning_rate"] = sgd
        learning._adam = lambda parameters, weight_decay: torch.optim.SGD(parameters, lr=0.0)
    sentences, tags = sample(*load("train"), SHARE, seed)
    if sgd is not None:
        steps = len(sentences)
        learning.warmup_then_linear = lambda step, peak, **_: peak * 0.95 ** ((step - 1) // steps)
    with tempfile.TemporaryDirectory() as folder:
        vectors = {f"{name[:4]}_vectors": write_vectors(name, sentences, Path(folder)) for name in learnt}
        tagger = kind(
            config=kind.config_class(**changes), random_state=seed, device="cpu", max_epochs=TENTH_EPOCHS, **vectors
        )
        began = time.process_time()
        tagger.fit(sentences, tags, load("dev"))
        minutes = (time.process_time() - began) / 60
    return {"f1": 100 * max(row["valid_f1"] for row in tagger.history_ if "valid_f1" in row), "minutes": minutes}


def write_vectors(name: str, sentences: list[list[str]], folder: Path) -> Path:
    """Vectors of 50 numbers learnt from these sentences alone."""
    from latticework.ner.unlabelled import character_vectors, word_vectors
    from latticework.ner.vectors import write_vectors as write

    texts = ["".join(sentence) for sentence in sentences]
    learn = {"characters": character_vectors, "words": partial(word_vectors, lexicon="jieba")}[name]
    file = folder / f"{name}.vec"
    write(file, *learn(texts, size=50, epochs=20, seed=0))
    return file


if __name__ == "__main__":
    main()
