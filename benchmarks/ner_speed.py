"""Speed of `latticework.nn.LatticeLSTM` beside a loop over single characters and beside `torch.nn.LSTM`.

`python -m benchmarks.ner_speed` reads sentences of Resume NER with the words of jieba's dictionary in them, in batches
of like length, forward and backward (training) and forward alone, and writes results/ner_speed.json. All have random
embeddings of 50 and 100 dimensions of state a direction. Time of the lattice's index arrays is ours, that of matching
nobody's; it has a row of its own. The loop has the layer's own weights, and its states must be the layer's. What
`nn.LSTM` takes is that of padded or of packed batches, whichever is less. Systems take turns within one process.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import measuring, records
from benchmarks.ner import load

NAME = "ner_speed"
COMMAND = "python -m benchmarks.ner_speed"
TITLE = "Lattice LSTM cell, Resume NER with jieba's words of two characters and more, hidden 100 a direction"
TIMEOUT = 3600

CHAR, WORD, HIDDEN = 50, 50, 100
SENTENCES = 384
BATCHES = (1, 32, 64, 128)
LOOP_SENTENCES = 32  # of all lengths, that the loop reads: it takes a second for thirty
OURS, LOOP, PADDED, PACKED = "ours", "loop", "nn.LSTM, padded", "nn.LSTM, packed"
TRAINING, INFERENCE = "training", "inference"
MATCHING = "matching jieba's words"
# The task and batch of a figure, and its target.
OVER_LOOP = {(TRAINING, 32): ">= 5", (TRAINING, 128): ">= 8", (INFERENCE, 64): ">= 10"}
OF_LSTM = {(task, batch): "<= 2" for task in (TRAINING, INFERENCE) for batch in (32, 64, 128)}

Sentence = tuple[int, Sequence[tuple[int, int]]]  # characters; begin and end of each word


def main() -> None:
    """Run the benchmark, or, in a process of its own, the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        cell = measure(read_sentences(SENTENCES), arguments.threads, arguments.repeats)
        print(json.dumps({"cell": cell, "text": measure_text(arguments.repeats)}))
        return
    command = measuring.part_of(NAME, "--part", "--threads", arguments.threads, "--repeats", arguments.repeats)
    run = measuring.run_measured(command, measuring.environment(arguments.threads), TIMEOUT, arguments.threads)
    rounds = f"median, smallest, largest of {arguments.repeats} rounds"
    title = f"{TITLE}, {arguments.threads} threads; {rounds}"
    rows = rows_of(run.output["cell"])
    for name, values in run.output["text"].items():
        rows.append(records.Row.of(name, values, "characters/s", ">= 1000000" if name == MATCHING else None))
    told = records.command_line(COMMAND, threads=arguments.threads, repeats=arguments.repeats)
    records.record(records.make_result(NAME, title, told, rows, threads=arguments.threads))


def rows_of(speeds: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> list[records.Row]:
    """Ratios, round by round, then the speeds, in characters a second by task, batch and system."""
    rows = []
    for task, batches in speeds.items():
        for batch, systems in batches.items():
            if LOOP not in systems:
                continue
            target = OVER_LOOP.get((task, int(batch)))
            ratios = measuring.paired_ratios(systems[OURS], systems[LOOP])
            rows.append(records.Row.of(f"{task}, batch {batch}: speed over the loop's", ratios, "times", target))
    for task, batches in speeds.items():
        for batch, systems in batches.items():
            best = [max(pair) for pair in zip(systems[PADDED], systems[PACKED], strict=True)]
            ratios = measuring.paired_ratios(best, systems[OURS])
            target = OF_LSTM.get((task, int(batch)))
            rows.append(records.Row.of(f"{task}, batch {batch}: time over nn.LSTM's", ratios, "times", target))
    for task, batches in speeds.items():
        for batch, systems in batches.items():
            rows += [
                records.Row.of(f"{task}, batch {batch}: {system}", values, "characters/s")
                for system, values in systems.items()
            ]
    return rows


def read_sentences(count: int) -> list[Sentence]:
    """Evenly spaced sentences of Resume NER's training text, with the words that jieba's dictionary has in them."""
    from latticework.ner.lexicon import Lexicon
    from latticework.ner.matching import Matcher

    sentences, _ = load("train")
    chosen = [sentences[k * len(sentences) // count] for k in range(count)]
    arcs = Matcher(Lexicon.of("jieba")).match(chosen)
    words: list[list[tuple[int, int]]] = [[] for _ in chosen]
    for sentence, begin, end in zip(arcs.sentence, arcs.begin, arcs.end, strict=True):
        words[sentence].append((int(begin), int(end)))
    return [(len(tokens), found) for tokens, found in zip(chosen, words, strict=True)]


def measure_text(repeats: int) -> dict[str, list[float]]:
    """Characters a second of what happens to text around the cell, a number a round."""
    from latticework.ner import LatticeTagger, Lexicon
    from latticework.ner.matching import Matcher
    from latticework.ner.segmentation import segment

    sentences, tags = load("train")
    test, _ = load("test")
    lexicon = Lexicon.of("jieba")
    matcher = Matcher(lexicon)
    tagger = LatticeTagger(lexicon, max_epochs=1, random_state=0, device="cpu").fit(sentences[:200], tags[:200])
    jobs: dict[str, tuple[Callable[[], object], list[list[str]]]] = {
        MATCHING: (lambda: matcher.match(sentences), sentences),
        "segmentation, with matching": (lambda: segment(sentences, matcher), sentences),
        "tagging with a lattice, from text to tags": (lambda: tagger.predict(test), test),
    }
    seconds, _ = measuring.take_turns({name: job for name, (job, _) in jobs.items()}, repeats)
    return {name: [sum(map(len, text)) / each for each in seconds[name]] for name, (_, text) in jobs.items()}


def measure(
    sentences: Sequence[Sentence], threads: int, repeats: int, *, sizes: Sequence[int] = BATCHES, device: str = "cpu"
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Characters a second of every task, batch and system, a number a round."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    sentences = sorted(sentences, key=lambda each: each[0])
    jobs = make_jobs(sentences, sizes, device)
    taken, _ = measuring.take_turns({key: job for key, (job, _) in jobs.items()}, repeats)
    speeds: dict[str, dict[str, dict[str, list[float]]]] = {}
    for (task, batch, system), seconds in taken.items():
        of_batch = speeds.setdefault(task, {}).setdefault(str(batch), {})
        of_batch[system] = [jobs[task, batch, system][1] / each for each in seconds]
    return speeds


def make_jobs(
    sentences: Sequence[Sentence], sizes: Sequence[int] = BATCHES, device: str = "cpu"
) -> dict[tuple[str, int, str], tuple[Callable[[], None], int]]:
    """For each task, batch and system what to do, and the characters that it reads."""
    import torch

    from latticework.nn import Lattice, LatticeLSTM

    layer, lstm = LatticeLSTM(CHAR, WORD, HIDDEN), torch.nn.LSTM(CHAR, HIDDEN, bidirectional=True, batch_first=True)
    layer.to(device)
    lstm.to(device)
    jobs: dict[tuple[str, int, str], tuple[Callable[[], None], int]] = {}
    every = max(1, len(sentences) // LOOP_SENTENCES)
    sample = [make_batch([each], device) for each in sentences[every // 2 :: every]]
    compare(layer, sample[0])

    def ours(batch: dict[str, Any]) -> Any:
        lattice = Lattice.of(batch["lengths"], *batch["arcs"])
        return layer(batch["characters"], batch["words"], lattice if device == "cpu" else lattice.to(device))

    def loop(batch: dict[str, Any]) -> Any:
        return read_one_by_one(layer, batch["characters"][0], batch["words"], batch["spans"])

    def padded(batch: dict[str, Any]) -> Any:
        return lstm(batch["characters"])[0]

    def packed(batch: dict[str, Any]) -> Any:
        lengths = torch.from_numpy(batch["lengths"])
        pack = torch.nn.utils.rnn.pack_padded_sequence
        return lstm(pack(batch["characters"], lengths, batch_first=True, enforce_sorted=False))[0].data

    def job(task: str, system: Callable[[dict[str, Any]], Any], batches: list[dict[str, Any]]) -> Callable[[], None]:
        def run() -> None:
            with torch.inference_mode(task == INFERENCE):
                for batch in batches:
                    states = system(batch)
                    if task == TRAINING:
                        states.sum().backward()
            if device != "cpu":
                torch.accelerator.synchronize()

        return run

    for task in (TRAINING, INFERENCE):
        for size in sizes:
            if size == 1:
                batches = sample
            else:
                batches = [make_batch(sentences[k : k + size], device) for k in range(0, len(sentences), size)]
            for name, system in ((OURS, ours), (PADDED, padded), (PACKED, packed)):
                jobs[task, size, name] = job(task, system, batches), sum(int(each["lengths"].sum()) for each in batches)
            if device == "cpu":
                jobs[task, size, LOOP] = job(task, loop, sample), sum(int(each["lengths"].sum()) for each in sample)
    return jobs


def make_batch(sentences: Sequence[Sentence], device: str = "cpu") -> dict[str, Any]:
    """Random embeddings of the characters and words, and where the words are."""
    import numpy as np
    import torch

    lengths = np.array([length for length, _ in sentences])
    spans = [span for _, each in sentences for span in each]
    begin, end = np.array(spans, dtype=np.int64).reshape(-1, 2).T
    sentence = np.repeat(np.arange(len(sentences)), [len(each) for _, each in sentences])
    return {
        "characters": torch.randn(len(sentences), int(lengths.max()), CHAR, device=device).requires_grad_(),
        "words": torch.randn(len(spans), WORD, device=device).requires_grad_(),
        "lengths": lengths,
        "arcs": (sentence, begin, end),
        "spans": spans,
    }


def compare(layer: Any, batch: dict[str, Any]) -> None:
    """Make sure that the loop computes what the layer does."""
    import torch

    from latticework.nn import Lattice

    with torch.inference_mode():
        lattice = Lattice.of(batch["lengths"], *batch["arcs"]).to(batch["words"].device)
        ours = layer(batch["characters"], batch["words"], lattice)[0]
        theirs = read_one_by_one(layer, batch["characters"][0], batch["words"], batch["spans"])
    if not torch.allclose(ours, theirs, atol=1e-5):
        raise RuntimeError(f"the loop and the layer are {(ours - theirs).abs().max().item():.2g} apart")


def read_one_by_one(layer: Any, characters: Any, words: Any, spans: Sequence[tuple[int, int]]) -> Any:
    """States of one sentence as the published code computes them: a cell a character, a cell for the words at it."""
    import torch

    time_ = len(characters)
    mirrored = [(time_ - end, time_ - begin) for begin, end in spans]
    forward = read_one_way(layer, 0, characters, words, spans)
    backward = read_one_way(layer, 1, characters.flip(0), words, mirrored)
    return torch.cat([torch.cat(forward), torch.cat(backward[::-1])], -1)


def read_one_way(
    layer: Any, direction: int, characters: Any, words: Any, spans: Sequence[tuple[int, int]]
) -> list[Any]:
    """States (1, hidden) of one sentence in one direction; equations 11 to 16 of the paper with coupled gates."""
    import torch

    own = {name: parameter[direction] for name, parameter in layer.named_parameters()}
    begins: list[list[int]] = [[] for _ in range(len(characters))]
    for k, (begin, _) in enumerate(spans):
        begins[begin].append(k)
    ended: list[list[Any]] = [[] for _ in range(len(characters))]
    h = c = characters.new_zeros(1, layer.hidden_size)
    states = []
    for j in range(len(characters)):
        x = characters[j : j + 1]
        z = torch.addmm(own["char_bias"], h, own["char_hidden"].T) + torch.mm(x, own["char_input"].T)
        o, i, new = z.chunk(3, -1)
        o, i, new = torch.sigmoid(o), torch.sigmoid(i), torch.tanh(new)
        if ended[j]:
            cells = torch.cat(ended[j])
            gates = torch.addmm(own["extra_bias"], x, own["extra_input"].T) + torch.mm(cells, own["extra_cell"].T)
            alpha = torch.softmax(torch.cat([i, torch.sigmoid(gates)]), 0)
            c = (alpha * torch.cat([new, cells])).sum(0, keepdim=True)
        else:
            c = (1 - i) * c + i * new
        h = o * torch.tanh(c)
        states.append(h)
        if begins[j]:
            z = torch.addmm(own["word_bias"], h, own["word_hidden"].T) + torch.mm(words[begins[j]], own["word_input"].T)
            f, i, new = z.chunk(3, -1)
            cells = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(new)
            for k, cell in zip(begins[j], cells.split(1), strict=True):
                ended[spans[k][1] - 1].append(cell)
    return states


if __name__ == "__main__":
    main()
