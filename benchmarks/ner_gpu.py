"""`latticework.ner` on a GPU: the lattice's cell beside `torch.nn.LSTM`, which there is cuDNN's, and a whole tagger.

`python -m benchmarks.ner_gpu` measures on cuda as `benchmarks.ner_speed` does on a CPU, and writes
results/ner_gpu.json. Our time is that of laying out a lattice and of moving it to the GPU too. The tagger is trained on
Resume NER there, and for a few epochs on the CPU of the same machine, once each; an epoch is timed from the end of the
one before, so that the first, in which everything is prepared, does not count. The test sentences decide nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

from benchmarks import measuring, records
from benchmarks.ner import load
from benchmarks.ner_speed import CHAR, HIDDEN, WORD, make_batch, measure, read_sentences, rows_of

NAME = "ner_gpu"
COMMAND = "python -m benchmarks.ner_gpu"
TIMEOUT = 1800
SENTENCES = 768
SIZES = (1, 32, 128, 768)
DEVICES = ("cpu", "cuda")
# Device, sentences of a step, epochs: 2 at least.
TRAININGS = (("cpu", 16, 4), ("cuda", 16, 10), ("cuda", 128, 10))

Figures = dict[str, tuple[list[float], str]]  # by what they are of: values, unit


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
    command = measuring.part_of(NAME, "--part", "--threads", arguments.threads, "--repeats", arguments.repeats)
    run = measuring.run_measured(command, measuring.environment(arguments.threads), TIMEOUT, arguments.threads)
    name, speeds, apart, tagger = (run.output[each] for each in ("gpu", "cell", "apart", "tagger"))
    rows = [replace(row, target=None) for row in rows_of(speeds)]  # the targets are of two cores
    rows += [records.Row(f"{what} of GPU and CPU: apart, of the largest", value, "") for what, value in apart.items()]
    for what, (values, unit) in tagger.items():
        rows.append(records.Row.of(what, values, unit) if len(values) > 1 else records.Row(what, *values, unit))
    title = (
        f"Lattice LSTM on one {name}, Resume NER with jieba's words; median, smallest, largest of {arguments.repeats} "
        "rounds, or, of a tagger's training, of its epochs after the first"
    )
    told = records.command_line(COMMAND, threads=arguments.threads, repeats=arguments.repeats)
    records.record(records.make_result(NAME, title, told, rows, threads=arguments.threads))


def measured(threads: int, repeats: int) -> dict[str, Any]:
    """All figures of one process."""
    import torch

    sentences = read_sentences(SENTENCES)
    cell = measure(sentences, threads, repeats, sizes=SIZES, device="cuda")
    print(json.dumps(cell), file=sys.stderr)
    tagger: Figures = {}
    for training in TRAININGS:
        tagger |= train(*training, repeats)
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


def train(device: str, batch: int, epochs: int, repeats: int) -> Figures:
    """A tagger: seconds of each epoch after the first, with the development sentences; characters a second; and F1."""
    from latticework.ner import LatticeTagger, TaggerConfig
    from latticework.ner.metrics import span_scores
    from latticework.ner.tags import spans_of

    training, dev, (test, gold) = load("train"), load("dev"), load("test")
    config = TaggerConfig(batch_size=batch)
    tagger = LatticeTagger(max_epochs=epochs, config=config, random_state=0, device=device)
    tagger.fit(*training, dev)
    ends = [row["seconds"] for row in tagger.history_ if "valid_f1" in row]
    tagger.predict(test[:100])
    speeds = []
    for _ in range(repeats):
        began = time.perf_counter()
        predicted = tagger.predict(test)
        speeds.append(sum(map(len, test)) / (time.perf_counter() - began))
    what = f"tagger, batches of {batch}, {device}"
    seconds = [end - before for before, end in pairwise(ends)]
    figures: Figures = {f"{what}: an epoch": (seconds, "s"), f"{what}: tagging": (speeds, "characters/s")}
    scores = span_scores([spans_of(row) for row in gold], [spans_of(row) for row in predicted])
    return figures | {f"{what}: F1, test, {epochs} epoch(s)": ([100 * scores.f1], "%")}


if __name__ == "__main__":
    main()
