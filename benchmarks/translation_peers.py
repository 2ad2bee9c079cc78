"""Speed of `latticework.translation` beside JoeyNMT, CTranslate2 and a plain loop around `torch.nn.Transformer`.

`python -m benchmarks.translation_peers` gives the weights of one trained model to all of them and lets each translate
the same sentences of Multi30k's test_2016; then each that can trains a new model of that shape. Systems take turns,
and results/translation_peers.json is written, which says whose weights these were. --only measures one half and shows
its table; nothing is recorded then.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import commits, measuring, records, translation
from benchmarks.translation_peers_job import BEAMS, cell_name, write_job

NAME = "translation_peers"
COMMAND = "python -m benchmarks.translation_peers"
TITLE = "Multi30k, English to German, test_2016, preset tiny, length penalty 0"
MODEL = translation.MODELS / "translation-seed-0"
TIMEOUT = 3600
PEERS = ("joeynmt", "ctranslate2")
HALVES = ("decoding", "training")

AGREEMENT = (
    95  # percent of greedy translations that weights in float32 must give alike, or they are not the same weights
)

OURS, JOEYNMT, PLAIN = "ours", "JoeyNMT", "plain loop"
CTRANSLATE2, CTRANSLATE2_INT8 = "CTranslate2", "CTranslate2 int8"
CTRANSLATE2_APART = "CTranslate2, a batch a thread"
# One ratio a line: numerator, denominator, target. Of speeds, so that more is faster.
DECODING_RATIOS = (
    (OURS, JOEYNMT, ">= 5"),
    (CTRANSLATE2, OURS, "<= 2.5"),
    (CTRANSLATE2_APART, OURS, "<= 2.5"),
    (CTRANSLATE2_INT8, OURS, None),
    (OURS, PLAIN, None),
)
TRAINING_RATIOS = (
    ("ours, float32", "JoeyNMT, default (float32)", ">= 1.3"),
    ("ours, default", "JoeyNMT, bfloat16", ">= 1.3"),
    ("ours, default", "JoeyNMT, default (float32)", ">= 1.3"),
    ("ours, default", "plain loop, bfloat16", None),
    ("ours, float32", "plain loop, float32", None),
)

Runs = Mapping[str, Sequence[measuring.Measured]]
Likelihoods = Callable[[Sequence[str]], list[tuple[float, int]]]
CLOCKS = {"wall": "", "cpu": ", processor time"}


def main() -> None:
    """Run the benchmark, or half of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL, help="a saved translator; trained there if it is missing")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=HALVES)
    arguments = parser.parse_args()
    halves = HALVES if arguments.only is None else (arguments.only,)
    result = measure(arguments.model.absolute(), arguments.threads, arguments.repeats, halves)
    records.record(result, lacks=[half for half in HALVES if half not in halves])


def measure(model: Path, threads: int, repeats: int, halves: Sequence[str] = HALVES) -> records.Result:
    """Prepare what every system needs, then let them take turns."""
    env = measuring.environment(threads)
    rows: list[records.Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_model(model, env)
        weights = commits.identity(model)
        references = write_job(folder, model, threads)
        pythons = {"latticework": Path(sys.executable), "torch": Path(sys.executable)}
        pythons |= {name: measuring.peer_environment(name) for name in PEERS}

        def take_turns(systems: Mapping[str, tuple[str, str]]) -> Runs:
            return measuring.interleave(commands(systems, pythons, folder), env, TIMEOUT, repeats, threads)

        if "decoding" in halves:
            systems = {
                OURS: ("latticework", "decode"),
                JOEYNMT: ("joeynmt", "decode"),
                CTRANSLATE2: ("ctranslate2", "decode-float32"),
                CTRANSLATE2_APART: ("ctranslate2", "decode-float32-apart"),
                CTRANSLATE2_INT8: ("ctranslate2", "decode-int8"),
                PLAIN: ("torch", "decode"),
            }
            rows += decoding_rows(take_turns(systems), references, partial(likelihoods, model))
        if "training" in halves:
            systems = {
                "ours, default": ("latticework", "train-auto"),
                "JoeyNMT, default (float32)": ("joeynmt", "train-32"),
                "ours, float32": ("latticework", "train-32"),
                "plain loop, float32": ("torch", "train-32"),
                "plain loop, bfloat16": ("torch", "train-bf16"),
                "JoeyNMT, bfloat16": ("joeynmt", "train-bf16"),
            }
            rows += training_rows(take_turns(systems))
    title = f"{TITLE}, {threads} threads; times: median, smallest, largest of {repeats} rounds"
    command = records.command_line(
        COMMAND,
        model=None if model == MODEL else model,
        threads=threads,
        repeats=repeats,
        only=None if len(halves) > 1 else halves[0],
    )
    others = {"model": weights}
    return records.make_result(NAME, title, command, rows, threads=threads, peers=PEERS, others=others)


def commands(
    systems: Mapping[str, tuple[str, str]], pythons: Mapping[str, Path], folder: Path
) -> dict[str, measuring.Command]:
    """The command of each system: its driver, in its environment, with threads that wait as they do by default."""
    return {
        name: measuring.driver_of(driver, pythons[driver], folder, task) for name, (driver, task) in systems.items()
    }


def make_model(model: Path, env: measuring.Env) -> None:
    """Train the preset `tiny` with seed 0, as the benchmark of translation does, unless the model is there."""
    if (model / "config.json").exists():
        return
    if model != MODEL:
        raise SystemExit(f"{model} holds no translator: give a folder that one was saved in, or none to train one")
    with tempfile.TemporaryDirectory() as folder:
        command = measuring.part_of(translation.NAME, "--folder", folder, "--part", "fit")
        measuring.run_measured(command, env, 3 * TIMEOUT)
        translation.keep_model(Path(folder), seed=0)


def likelihoods(model: Path, texts: Sequence[str]) -> list[tuple[float, int]]:
    """Log-probability in nats of each translation of the test sentences under our model, and its pieces.

    Both with the end piece, and of the pieces into which the vocabulary cuts the text: systems hand out text, and a
    search may have put it together from others.
    """
    import latticework as lw
    from latticework.seq2seq.learning import negative_log_likelihood

    translator = lw.load(model, device="cpu")
    sources, _ = lw.datasets.load("multi30k", split="test_2016_flickr")
    found = []
    for source, text in zip(sources, texts, strict=True):
        pair = translator.vocabulary_.encode([source]), translator.vocabulary_.encode([text])
        found.append((-negative_log_likelihood(translator.model_, *pair), int(pair[1].lengths[0])))
    return found


def decoding_rows(runs: Runs, references: Sequence[str], find: Likelihoods) -> list[records.Row]:
    """Ratios of speeds, means of them over all cells first; then the quality of what was measured, then the speeds."""
    outputs = {system: [run.output for run in measured] for system, measured in runs.items()}
    cells = {system: list(rounds[0]) for system, rounds in outputs.items()}
    speeds = {
        (system, cell, clock): [len(output[cell]["texts"]) / output[cell][clock] for output in rounds]
        for system, rounds in outputs.items()
        for cell in cells[system]
        for clock in CLOCKS
    }

    def shared(one: str, other: str) -> list[str]:
        return [cell for cell in cells[one] if cell in cells[other]]

    def ratios(one: str, other: str, cell: str, clock: str) -> list[float]:
        return measuring.paired_ratios(speeds[one, cell, clock], speeds[other, cell, clock])

    rows = []
    for one, other, target in DECODING_RATIOS:
        for clock, note in CLOCKS.items():
            rounds = zip(*(ratios(one, other, cell, clock) for cell in shared(one, other)), strict=True)
            means = [statistics.geometric_mean(of_cells) for of_cells in rounds]
            of_clock = target if clock == "wall" else None
            rows.append(records.Row.of(f"{one} / {other}, geometric mean of all cells{note}", means, "times", of_clock))
    for one, other, target in DECODING_RATIOS:
        rows += [
            records.Row.of(f"{one} / {other}: {cell}", ratios(one, other, cell, "wall"), "times", target)
            for cell in shared(one, other)
        ]
    first = {system: rounds[0] for system, rounds in outputs.items()}
    rows += [*quality_rows(first, references), *likelihood_rows(first, find)]
    for cell in cells[OURS]:
        measured = [system for system in runs if cell in cells[system]]
        for clock, unit in (("wall", "sentences/s"), ("cpu", "sentences a processor second")):
            rows += [
                records.Row.of(f"{system}: {cell}{CLOCKS[clock]}", speeds[system, cell, clock], unit)
                for system in measured
            ]
    return rows


def quality_rows(outputs: Mapping[str, dict[str, Any]], references: Sequence[str]) -> list[records.Row]:
    """BLEU of every system that had the whole file, and how many translations of each are ours to the letter."""
    from latticework.translation import corpus_scores

    rows = []
    for beam in BEAMS:
        for system, cells in outputs.items():
            if (cell := cell_name(None, beam)) in cells:
                bleu = corpus_scores(cells[cell]["texts"], references).bleu
                rows.append(records.Row(f"{system}: BLEU, {cell}", bleu, ""))
    for beam in BEAMS:
        for system, cells in outputs.items():
            of_beam = [cell for cell in cells if cell.endswith(f"beam {beam}")]
            if system == OURS or not of_beam:
                continue
            cell = max(of_beam, key=lambda cell: len(cells[cell]["texts"]))
            pairs = zip(cells[cell]["texts"], outputs[OURS][cell]["texts"], strict=True)
            same = 100 * statistics.fmean(one == other for one, other in pairs)
            if beam == 1 and system != CTRANSLATE2_INT8 and same < AGREEMENT:
                raise RuntimeError(f"{system}: only {same:.0f} % of the greedy translations are ours: other weights?")
            rows.append(records.Row(f"{system}: translations that are ours to the letter, {cell}", same, "%"))
    return rows


def likelihood_rows(outputs: Mapping[str, dict[str, Any]], find: Likelihoods) -> list[records.Row]:
    """What our model makes of each system's translations of the whole file, where a beam may lead them apart.

    Means, and the share of translations that it holds for more probable than ours of the same sentence, and for less.
    """
    rows = []
    for cell in (cell_name(None, beam) for beam in BEAMS if beam > 1):
        found = {system: find(cells[cell]["texts"]) for system, cells in outputs.items() if cell in cells}
        for system, each in found.items():
            probability, pieces = (statistics.fmean(column) for column in zip(*each, strict=True))
            rows.append(records.Row(f"{system}: log-probability of a translation, mean, {cell}", probability, "nats"))
            rows.append(records.Row(f"{system}: pieces of a translation, mean, {cell}", pieces, ""))
        for system, each in found.items():
            if system == OURS:
                continue
            over = [theirs - ours for (theirs, _), (ours, _) in zip(each, found[OURS], strict=True)]
            for told, share in (("more", [one > 0 for one in over]), ("less", [one < 0 for one in over])):
                name = f"{system}: translations {told} probable than ours, {cell}"
                rows.append(records.Row(name, 100 * statistics.fmean(share), "%"))
    return rows


def training_rows(runs: Runs) -> list[records.Row]:
    """Ratios of target tokens a second, then those tokens."""
    speeds = {
        (system, clock): [run.output["tokens"] / run.output[clock] for run in measured]
        for system, measured in runs.items()
        for clock in CLOCKS
    }
    rows = []
    for one, other, target in TRAINING_RATIOS:
        for clock, note in CLOCKS.items():
            ratios = measuring.paired_ratios(speeds[one, clock], speeds[other, clock])
            of_clock = target if clock == "wall" else None
            rows.append(records.Row.of(f"training, {one} / {other}{note}", ratios, "times", of_clock))
    for clock, unit in (("wall", "target tokens/s"), ("cpu", "target tokens a processor second")):
        rows += [records.Row.of(f"training: {system}{CLOCKS[clock]}", speeds[system, clock], unit) for system in runs]
    return rows


if __name__ == "__main__":
    main()
