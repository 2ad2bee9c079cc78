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
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import HERE, measuring, records, translation_growth_parts
from benchmarks.translation_growth_parts import LONG_WORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "translation_growth"
COMMAND = "python -m benchmarks.translation_growth"
TIMEOUT = 1200

LENGTHS = (10, 20, 50, 100, 200, 500)  # pieces of a sentence
VOCABULARIES = (4000, 8000, 16_000, 32_000, 64_000)
LENGTH, VOCABULARY = 20, 4000  # where the other one grows
KINDS = {"training": 0, "search, beam 1": 1, "search, beam 4": 4}  # and the beam
TIME, MEMORY = "1,000 target tokens", "peak memory"

LONG_ROUNDS = 2  # of the very long line

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
        print(json.dumps(translation_growth_parts.train(arguments.length, arguments.vocabulary)))
    elif arguments.part == "search":
        print(json.dumps(translation_growth_parts.search(arguments.length, arguments.vocabulary, arguments.beam)))
    elif arguments.part == "fit":
        print(json.dumps(translation_growth_parts.fit(arguments.folder)))
    elif arguments.part == "predict":
        print(json.dumps(translation_growth_parts.predict(arguments.folder, long=arguments.long)))
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
