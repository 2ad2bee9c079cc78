"""How the cost of `latticework.translation` grows with the length of sentences and the size of the vocabulary.

`python -m benchmarks.translation_growth` measures training and searching at the shape of the preset "tiny", each point
in a process of its own, then a line of 5,000 words among those of Multi30k, and writes results/translation_growth.json
and the plot beside it. With --plot it draws what is on record again.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import HERE, measuring, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.model import EncoderDecoder

NAME = "translation_growth"
COMMAND = "python -m benchmarks.translation_growth"
TIMEOUT = 1200

LENGTHS = (10, 20, 50, 100, 200, 500)  # pieces of a sentence
VOCABULARIES = (4000, 8000, 16_000, 32_000, 64_000)
LENGTH, VOCABULARY = 20, 4000  # where the other one grows
KINDS = {"training": 0, "search, beam 1": 1, "search, beam 4": 4}  # and the beam
TIME, MEMORY = "1,000 target tokens", "peak memory"

STEPS = 40  # of training, in rows of so many; the first of these warms up
LOG_EVERY = 8
ROUNDS = 3
NEVER = -1e4  # logit of the end: finite, so that a search still ends where it must

LONG_WORDS = 5000
LONG_STEPS = 300  # of training: by then sentences end
LONG_ROUNDS = 2

WIDTH, HEIGHT = 720.0, 470.0


def main() -> None:
    """Run the benchmark, or, in a process of its own, one part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plot", action="store_true", help="draw what is on record, and measure nothing")
    parser.add_argument("--part", choices=("train", "search", "fit", "predict"), help=argparse.SUPPRESS)
    parser.add_argument("--length", type=int, default=LENGTH, help=argparse.SUPPRESS)
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY, help=argparse.SUPPRESS)
    parser.add_argument("--beam", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--long", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part == "train":
        print(json.dumps(train(arguments.length, arguments.vocabulary)))
    elif arguments.part == "search":
        print(json.dumps(search(arguments.length, arguments.vocabulary, arguments.beam)))
    elif arguments.part == "fit":
        print(json.dumps(fit(arguments.folder)))
    elif arguments.part == "predict":
        print(json.dumps(predict(arguments.folder, long=arguments.long)))
    else:
        if not arguments.plot:
            records.record(measure(arguments.threads))
        write_plot()


def measure(threads: int) -> records.Result:
    """Measure every point and the long line, each in a process of its own, so that each has its own peak of memory."""
    env = measuring.environment(threads)
    module = measuring.part_of(NAME)
    runs: dict[tuple[str, int, int], measuring.Measured] = {}
    for length, vocabulary in dict.fromkeys(
        [*((length, VOCABULARY) for length in LENGTHS), *((LENGTH, vocabulary) for vocabulary in VOCABULARIES)]
    ):
        for kind, beam in KINDS.items():
            part = ["--beam", str(beam), "--part", "search"] if beam else ["--part", "train"]
            point = ["--length", str(length), "--vocabulary", str(vocabulary)]
            runs[kind, length, vocabulary] = measuring.run_measured([*module, *point, *part], env, TIMEOUT)
    points = []
    for kind in KINDS:
        by_length = {length: runs[kind, length, VOCABULARY] for length in LENGTHS}
        by_vocabulary = {vocabulary: runs[kind, LENGTH, vocabulary] for vocabulary in VOCABULARIES}
        for figure in (TIME, MEMORY):
            for by, found in ((length_name, by_length), (vocabulary_name, by_vocabulary)):
                points += [point_row(f"{kind}, {by(size)}: {figure}", run, figure) for size, run in found.items()]
    with tempfile.TemporaryDirectory() as folder:
        rows = [*growth(points), *long_line(folder, module, env), *points]
    precisions = sorted({run.output["precision"] for run in runs.values()})
    title = (
        f"Shape of the preset tiny, drawn tokens, on a CPU, precision {' and '.join(precisions)}; "
        f"Multi30k, en-de, for the line of {LONG_WORDS:,} words; median, smallest, largest of rounds"
    )
    command = records.command_line(COMMAND, threads=threads)
    return records.make_result(NAME, title, command, rows, threads=threads)


def length_name(length: int) -> str:
    """How a row calls a point of the lengths."""
    return f"{length} pieces"


def vocabulary_name(vocabulary: int) -> str:
    """How a row calls a point of the vocabularies."""
    return f"vocabulary {vocabulary:,}"


def point_row(name: str, run: measuring.Measured, figure: str) -> records.Row:
    """What one process found."""
    if figure == MEMORY:
        return records.Row(name, run.peak_memory / 1e6, "MB")
    return records.Row.of(name, run.output["seconds"], "s")


def growth(points: Sequence[records.Row]) -> list[records.Row]:
    """Say how steep the points are, in numbers: 1 is proportional, 2 is quadratic."""
    found = {point.name: point.value for point in points}
    rows = []
    for kind in KINDS:
        of_length = [found[f"{kind}, {length_name(length)}: {TIME}"] * length for length in LENGTHS]
        of_vocabulary = [found[f"{kind}, {vocabulary_name(size)}: {TIME}"] for size in VOCABULARIES]
        for what, sizes, costs, limit in (
            ("length", LENGTHS, of_length, "<= 1.5"),
            ("vocabulary", VOCABULARIES, of_vocabulary, "<= 1.2"),
        ):
            for first in (0, -2):
                name = f"{kind}: exponent of a sentence's time in {what}, {sizes[first]:,} to {sizes[-1]:,}"
                rows.append(records.Row(name, exponent(sizes[first:], costs[first:]), "", limit))
    for kind in KINDS:
        for by, sizes in ((length_name, LENGTHS), (vocabulary_name, VOCABULARIES)):
            small, large = (found[f"{kind}, {by(size)}: {MEMORY}"] for size in (sizes[0], sizes[-1]))
            name = f"{kind}: peak memory, {by(sizes[-1])} over {by(sizes[0])}"
            rows.append(records.Row(name, large / small, "times"))
    return rows


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of log cost over log size between the ends.

    Examples
    --------
    >>> exponent([10, 20, 40], [5, 11, 80])
    2.0
    """
    return math.log(costs[-1] / costs[0]) / math.log(sizes[-1] / sizes[0])


def long_line(folder: str, module: Sequence[str], env: measuring.Env) -> list[records.Row]:
    """Learn with a pair of very many words among the others, then translate with and without such a line."""
    command = [*module, "--folder", folder, "--part"]
    trained = measuring.run_measured([*command, "fit"], env, TIMEOUT)
    commands: dict[str, measuring.Command] = {"without": [*command, "predict"], "with": [*command, "predict", "--long"]}
    runs = measuring.interleave(commands, env, TIMEOUT, LONG_ROUNDS)
    pairs, plain, long = trained.output["pairs"], runs["without"][0].output, runs["with"][0].output
    kept = [text for index, text in enumerate(long["translations"]) if index != long["place"]]
    alike = sum(one == other for one, other in zip(kept, plain["translations"], strict=True))
    lines, words = f"{len(kept):,} lines", f"{LONG_WORDS:,} words"
    rows = []
    for name, key in ((f"{lines}, beam 4", "without"), (f"{lines} and one of {words} among them", "with")):
        rows.append(records.Row.of(f"{name}: translating", [run.output["seconds"] for run in runs[key]], "s"))
        rows.append(records.Row.of(f"{name}: peak memory", [run.peak_memory / 1e6 for run in runs[key]], "MB"))
    told = pairs["too_long"] if trained.output["told"] else 0
    return [
        *rows,
        records.Row(f"the {lines}: translated as without it, in their places", 100 * alike / len(kept), "%", ">= 99"),
        records.Row(f"the line of {words}: pieces that are in one of its parts", long["held"], "%", ">= 100"),
        records.Row(f"the line of {words}: parts", long["parts"], ""),
        records.Row(f"the line of {words}: words of its translation", long["words"], "", ">= 1"),
        records.Row(f"fit with a pair of {words}: pairs left out and warned of", told, "", ">= 1"),
        records.Row(f"fit with a pair of {words}: pairs learnt from", pairs["used"], "", f">= {pairs['given'] - 1}"),
    ]


def train(length: int, vocabulary: int) -> dict[str, Any]:
    """Seconds for 1,000 target tokens in the library's own training loop, on drawn pairs."""
    from latticework.core.hardware import resolve_device, resolve_precision
    from latticework.core.training import train as run
    from latticework.seq2seq.learning import PairsTask, training_plan

    model = build(vocabulary)
    pairs = STEPS * max(1, model.config.batch_tokens // length)
    task = PairsTask(model, (drawn_text(pairs, length, vocabulary, 0), drawn_text(pairs, length, vocabulary, 1)))
    # the steps alone: no averaging at the end, nothing said of a warm-up that is longer than this
    plan = replace(
        training_plan(model.config, max_epochs=None, max_steps=STEPS), average=1, warmup_steps=0, log_every=LOG_EVERY
    )
    history = run(task, plan, seed=0, device="cpu")
    speeds = [row["terms_per_second"] for row in history if "terms_per_second" in row]
    precision = resolve_precision("auto", resolve_device("cpu"))
    return {"seconds": [1000 / speed for speed in speeds[1:]], "precision": precision}


def search(length: int, vocabulary: int, beam: int) -> dict[str, Any]:
    """Seconds for 1,000 target tokens, where each output has as many as its input, the most it may have here."""
    import numpy as np

    from latticework.core.hardware import computing, resolve_device
    from latticework.seq2seq import decoding
    from latticework.seq2seq.decoding import check_search, search_texts

    model, device = endless(build(vocabulary)), resolve_device("cpu")
    options = check_search(beam, 0.6, 1, vocabulary)

    def find(texts: EncodedText) -> None:
        wanted = np.ones(len(texts), dtype=bool)
        found = search_texts(model, texts, wanted, options, extra_length=0, device=device, doing="searching")
        if [1 + len(best[0].tokens) for best in found] != texts.lengths.tolist():
            raise RuntimeError("an output is not of the length it should have")

    seconds = []
    texts = drawn_text(max(1, decoding.SEARCH_TOKENS // length), length, vocabulary, 0)  # a full batch with beam 1
    with computing(device, "32"):  # as a translator does
        find(drawn_text(2, LENGTHS[0], vocabulary, 1))
        for _ in range(ROUNDS):
            began = time.perf_counter()
            find(texts)
            seconds.append(1000 * (time.perf_counter() - began) / int(texts.lengths.sum()))
    return {"seconds": seconds, "precision": "32"}


def fit(folder: Path) -> dict[str, Any]:
    """Train for a moment on Multi30k with one very long pair among the others, and save."""
    import latticework as lw
    from latticework.translation import TransformerTranslator

    source, target = ([*side] for side in lw.datasets.load("multi30k", split="train"))
    for side in (source, target):
        side.insert(len(side) // 2, words_of(side))
    translator = TransformerTranslator("tiny", max_steps=LONG_STEPS, random_state=0, device="cpu")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        translator.fit(source, target)
    translator.save(folder / "model")
    told = any("1 of more than max_length=" in str(warning.message) for warning in caught)
    return {"pairs": translator.pairs_, "told": told}


def predict(folder: Path, *, long: bool) -> dict[str, Any]:
    """Translate the test sentences with the saved model, a very long line among them or not."""
    import latticework as lw
    from latticework.translation.parts import LongSentences, split_long

    translator = lw.load(folder / "model", device="cpu")
    lines = [*lw.datasets.load("multi30k", split="test_2016_flickr")[0]]
    place = len(lines) // 2
    extra = words_of(lines)
    if long:
        lines.insert(place, extra)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LongSentences)
        began = time.perf_counter()
        translations = translator.predict(lines)
        seconds = time.perf_counter() - began
    if not long:
        return {"seconds": seconds, "translations": translations}
    whole = translator.vocabulary_.encode([extra])
    parts = split_long(whole, translator.vocabulary_, translator.config_.max_length).text
    pieces = list(chain.from_iterable(parts[index][:-1].tolist() for index in range(len(parts))))
    held = sum(one == other for one, other in zip(pieces, whole[0][:-1].tolist(), strict=False))
    return {
        "seconds": seconds,
        "translations": translations,
        "place": place,
        "parts": len(parts),
        "held": 100 * held / (len(whole[0]) - 1),
        "words": len(translations[place].split()),
    }


def words_of(sentences: Sequence[str]) -> str:
    """A line of very many words: those of the sentences, again from the first where they end."""
    return " ".join(islice(cycle(" ".join(sentences).split()), LONG_WORDS))


def build(vocabulary: int) -> EncoderDecoder:
    """A model of the preset's shape with drawn weights."""
    import torch

    from latticework.seq2seq.model import EncoderDecoder
    from latticework.translation.presets import PRESETS

    torch.manual_seed(0)
    return EncoderDecoder(PRESETS["tiny"].config, vocabulary)


def endless(model: EncoderDecoder) -> EncoderDecoder:
    """The model, to search with, whose outputs end only where they must."""
    from latticework.seq2seq.vocabulary import END

    step = model.step

    def without_end(*so_far: Any) -> Any:
        logits = step(*so_far)
        logits[..., END] = NEVER
        return logits

    model.step = without_end  # type: ignore[method-assign]
    return model.eval()


def drawn_text(count: int, length: int, vocabulary: int, seed: int) -> EncodedText:
    """Texts of nine tenths of `length` to `length` tokens, END included."""
    import numpy as np

    from latticework.nn.sequences import EncodedText
    from latticework.seq2seq.vocabulary import END, SPECIAL

    generator = np.random.default_rng(seed)
    lengths = generator.integers(-(-9 * length // 10), length + 1, count)
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
    tokens = generator.integers(SPECIAL, vocabulary, offsets[-1]).astype(np.int32)
    tokens[offsets[1:] - 1] = END
    return EncodedText(tokens, offsets)


def write_plot(folder: Path = HERE) -> Path:
    """Write the plot of what is on record beside it."""
    record = folder / "results" / f"{NAME}.json"
    if not record.exists():
        sys.exit(f"there is no {record} to draw: measure first, with {COMMAND}")
    picture = record.with_suffix(".svg")
    picture.write_text(plot(records.read(record)), encoding="utf-8")
    return picture


def plot(result: records.Result) -> str:
    """Time and memory against length and vocabulary, each on a logarithmic scale, as an SVG that stands alone."""
    from latticework.pages import svg

    found = {row.name: row.value for row in result.rows}

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

        figure.set_facecolor("white")
        panels: Any = figure.subplots(2, 2, sharex="col", sharey="row")
        figure.subplots_adjust(left=0.085, right=0.985, bottom=0.1, top=0.91, wspace=0.06, hspace=0.1)
        for row, figure_of in enumerate((TIME, MEMORY)):
            for column, (by, sizes) in enumerate(((length_name, LENGTHS), (vocabulary_name, VOCABULARIES))):
                axes: Axes = panels[row][column]
                for number, kind in enumerate(KINDS):
                    values = [found[f"{kind}, {by(size)}: {figure_of}"] for size in sizes]
                    axes.plot(sizes, values, **look(number), label=kind)
                axes.set(xscale="log", yscale="log")
                axes.xaxis.set_major_locator(FixedLocator(sizes))
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                for axis in (axes.xaxis, axes.yaxis):
                    axis.set_minor_locator(NullLocator())
                    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
                dress(axes)
        panels[0][0].set_ylabel("seconds, 1,000 tokens")
        panels[1][0].set_ylabel("peak memory, MB")
        panels[1][0].set_xlabel(f"pieces of a sentence (vocabulary {VOCABULARY:,})")
        panels[1][1].set_xlabel(f"pieces of the vocabulary (sentences of {LENGTH})")
        figure.legend(*panels[0][0].get_legend_handles_labels(), ncols=len(KINDS), frameon=False, loc="upper center")

    # By itself the file has no page whose variables could colour it, and not every viewer knows what they are.
    return re.sub(r"var\(--[\w-]+, (#\w+)\)", r"\1", svg.draw(WIDTH, HEIGHT, paint)) + "\n"


def look(number: int) -> dict[str, Any]:
    """Colour, dash and mark of a line: told apart by any of them."""
    from latticework.pages.theme import LIGHT

    dash, marker = ("-", (0, (5, 2)), (0, (1.2, 1.6)))[number], "os^"[number]
    return {"color": LIGHT[f"series-{1 + number}"], "linestyle": dash, "marker": marker, "markersize": 4, "lw": 1.8}


def dress(axes: Axes) -> None:
    """Style axes as the pages do."""
    from latticework.pages.theme import LIGHT

    axes.margins(x=0.06, y=0.12)
    axes.grid(color=LIGHT["rule"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["right", "top"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LIGHT["rule"])
    axes.tick_params(length=0, pad=5, labelcolor=LIGHT["muted"])


if __name__ == "__main__":
    main()
