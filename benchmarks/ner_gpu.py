"""`latticework.ner` on a GPU: the lattice's cell beside `torch.nn.LSTM`, which there is cuDNN's, and a whole tagger.

`python -m benchmarks.ner_gpu` measures on cuda as `benchmarks.ner_speed` does on a CPU, and writes
results/ner_gpu.json. Our time is that of laying out a lattice and of moving it to the GPU too. The tagger is trained on
Resume NER there, and for an epoch on the CPU of the same machine; the test sentences decide nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from typing import Any

from benchmarks import harness
from benchmarks.ner import load
from benchmarks.ner_speed import CHAR, HIDDEN, WORD, make_batch, measure, read_sentences, rows_of

NAME = "ner_gpu"
COMMAND = "python -m benchmarks.ner_gpu"
TIMEOUT = 1800
SENTENCES = 768
SIZES = (1, 32, 128, 768)
DEVICES = ("cpu", "cuda")
TRAININGS = (("cpu", 16, 1), ("cuda", 16, 10), ("cuda", 128, 10))  # device, sentences of a step, epochs


def main() -> None:
    """Run the benchmark, or, in a process of its own, the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(measured(arguments.threads, arguments.repeats)))
        return
    options = ["--threads", str(arguments.threads), "--repeats", str(arguments.repeats)]
    command = [sys.executable, "-m", COMMAND.rpartition(" ")[2], "--part", *options]
    run = harness.run_measured(command, harness.environment(arguments.threads), TIMEOUT)
    name, speeds, apart, tagger = (run.output[each] for each in ("gpu", "cell", "apart", "tagger"))
    rows = [replace(row, target=None) for row in rows_of(speeds)]  # the targets are of two cores
    rows += [harness.Row(f"{what} of GPU and CPU: apart, of the largest", value, "") for what, value in apart.items()]
    rows += [harness.Row(what, value, unit) for what, (value, unit) in tagger.items()]
    title = f"Lattice LSTM on one {name}, Resume NER with jieba's words, {arguments.repeats} rounds"
    harness.record(harness.make_result(NAME, title, " ".join([COMMAND, *options]), rows, threads=arguments.threads))


def measured(threads: int, repeats: int) -> dict[str, Any]:
    """All figures of one process."""
    import torch

    sentences = read_sentences(SENTENCES)
    cell = measure(sentences, threads, repeats, sizes=SIZES, device="cuda")
    print(json.dumps(cell), file=sys.stderr)
    tagger: dict[str, tuple[float, str]] = {}
    for training in TRAININGS:
        tagger |= train(*training)
        print(tagger, file=sys.stderr)
    return {"gpu": torch.cuda.get_device_name(), "cell": cell, "apart": agreement(sentences), "tagger": tagger}


def agreement(sentences: Any) -> dict[str, float]:
    """How far states and gradients of the two devices are apart in float32, as a share of the largest."""
    import torch

    from latticework.nn import Lattice, LatticeLSTM

    torch.manual_seed(0)
    layer, batch = LatticeLSTM(CHAR, WORD, HIDDEN), make_batch(sentences[:128])
    lattice = Lattice.of(batch["lengths"], *batch["arcs"])
    found: dict[str, list[Any]] = {}
    for device in DEVICES:
        layer.to(device).zero_grad()
        leaves = [batch[name].detach().to(device).requires_grad_() for name in ("characters", "words")]
        states = layer(*leaves, lattice.to(device))
        states.square().sum().backward()
        gradients = [each.grad for each in (*leaves, *layer.parameters())]
        found[device] = [states.detach().cpu(), *(each.cpu().clone() for each in gradients)]
    apart = [((one - other).abs().max() / one.abs().max()).item() for one, other in zip(*found.values(), strict=True)]
    return {"states": apart[0], "gradients": max(apart[1:])}


def train(device: str, batch: int, epochs: int) -> dict[str, tuple[float, str]]:
    """A tagger: seconds of an epoch of training with its development sentences, characters a second, and F1."""
    from latticework.ner import LatticeTagger, TaggerConfig
    from latticework.ner.metrics import span_scores
    from latticework.ner.tags import spans_of

    training, dev, (test, gold) = load("train"), load("dev"), load("test")
    config = TaggerConfig(batch_size=batch)
    tagger = LatticeTagger(max_epochs=epochs, config=config, random_state=0, device=device)
    began = time.perf_counter()
    tagger.fit(*training, dev)
    seconds = (time.perf_counter() - began) / epochs
    tagger.predict(test[:100])
    speeds = []
    for _ in range(3):
        began = time.perf_counter()
        predicted = tagger.predict(test)
        speeds.append(sum(map(len, test)) / (time.perf_counter() - began))
    what = f"tagger, batches of {batch}, {device}"
    figures = {f"{what}: an epoch": (seconds, "s"), f"{what}: tagging": (statistics.median(speeds), "characters/s")}
    scores = span_scores([spans_of(row) for row in gold], [spans_of(row) for row in predicted])
    return figures | {f"{what}: F1, test, {epochs} epoch(s)": (100 * scores.f1, "%")}


if __name__ == "__main__":
    main()
