"""Quality, time and memory of `latticework.ner` on Resume NER, with jieba's dictionary and without pre-trained vectors.

`python -m benchmarks.ner --seeds 3` trains every model of the paper's table, and two successors, once a seed, the
lattice and the character baseline with a tenth of the sentences too, and writes results/ner.json. Runs go side by side,
--jobs of them, with one thread each. Test sentences decide nothing: weights are chosen by F1 on the development
sentences.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measuring, records
from benchmarks.kept import Kept

NAME = "ner"
COMMAND = "python -m benchmarks.ner"
TIMEOUT = 3600
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "words": ("WordTagger", {}),
    "words + char LSTM": ("WordTagger", {"char_lstm": True}),
    "characters": ("CharacterTagger", {}),
    "characters + bichar": ("CharacterTagger", {"bigrams": True}),
    "characters + softword": ("CharacterTagger", {"softword": True}),
    "characters + bichar + softword": ("CharacterTagger", {"bigrams": True, "softword": True}),
    "lattice": ("LatticeTagger", {}),
    "SoftLexicon": ("SoftLexiconTagger", {}),
    "FLAT": ("FlatTagger", {}),
}
TENTH = ("characters", "lattice")  # compared with a tenth of the training sentences too
TENTH_EPOCHS = 60
SHARE = 0.1
MILLION = 1_000_000
LONG = 600  # characters of a sentence that other implementations drop


def main() -> None:
    """Run the benchmark, or, in a process of its own, one part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many trainings of each model, with seeds 0, 1, ...")
    parser.add_argument("--jobs", type=int, default=2, help="how many of them side by side, with a thread each")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where what each run found stays, if it is stopped")
    parser.add_argument("--part", choices=("fit", "million", "data"), help=argparse.SUPPRESS)
    parser.add_argument("--model", choices=MODELS, help=argparse.SUPPRESS)
    parser.add_argument("--share", type=float, default=1.0, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part == "fit":
        print(json.dumps(fit(arguments.model, arguments.seed, arguments.share)))
    elif arguments.part:
        print(json.dumps({"million": million, "data": data}[arguments.part]()))
    else:
        records.record(measure(arguments.seeds, arguments.jobs, arguments.keep))


def measure(seeds: int, jobs: int, keep: Path | None = None) -> records.Result:
    """Train and score in processes of their own, so that each has its own peak of memory."""
    env = measuring.environment(1)
    kept = Kept.begun(keep, threads=1, jobs=jobs)
    runs = [(name, seed, 1.0) for seed in range(seeds) for name in MODELS]
    runs += [(name, seed, SHARE) for seed in range(seeds) for name in TENTH]

    def run(job: tuple[str, int, float]) -> measuring.Measured:
        name, seed, share = job
        command = measuring.part_of(NAME, "--part", "fit", "--model", name, "--seed", seed, "--share", share)
        return kept.run(f"{name}, seed {seed}, {share:.0%}", command, env, TIMEOUT)

    measured = measuring.side_by_side(run, runs, jobs)
    facts = kept.run("data", measuring.part_of(NAME, "--part", "data"), env, TIMEOUT).output
    large = kept.run("million", measuring.part_of(NAME, "--part", "million"), env, TIMEOUT)

    def figures(name: str, figure: str, share: float = 1.0) -> list[float]:
        return [measured[name, seed, share].output[figure] for seed in range(seeds)]

    def over(other: str, share: float, name: str = "lattice") -> list[float]:
        return measuring.paired_differences(figures(name, "f1", share), figures(other, "f1", share))

    rows = []
    for name in MODELS:
        target = ">= 93" if name == "lattice" else None
        rows.append(records.Row.mean(f"F1, test, {name}", figures(name, "f1"), "", target))
        rows += [
            records.Row.mean(f"{figure}, test, {name}", figures(name, figure), "") for figure in ("precision", "recall")
        ]
        rows.append(records.Row.mean(f"F1, development, {name}", figures(name, "dev"), ""))
    rows.append(records.Row.mean("F1, test, lattice over characters", over("characters", 1.0), "points", ">= 0"))
    softword = "characters + softword"
    gained = over("characters", 1.0, softword)
    rows.append(records.Row.mean(f"F1, test, {softword} over characters", gained, "points"))
    rows.append(records.Row.mean(f"F1, test, {softword} over lattice", over("lattice", 1.0, softword), "points"))
    for name in TENTH:
        rows.append(records.Row.mean(f"F1, test, a tenth of training, {name}", figures(name, "f1", SHARE), ""))
    rows.append(
        records.Row.mean(
            "F1, test, a tenth of training, lattice over characters", over("characters", SHARE), "points", ">= 1"
        )
    )
    for name in MODELS:
        target = "<= 30" if name == "lattice" else None
        rows.append(records.Row.mean(f"training, wall, {name}", figures(name, "minutes"), "min", target))
    peaks = [measured["lattice", seed, 1.0].peak_memory / 1e6 for seed in range(seeds)]
    rows.append(records.Row.mean("peak memory of fit and predict, lattice", peaks, "MB"))
    rows += [records.Row(name, value, "") for name, value in facts.items()]
    rows += [
        records.Row("a million words: peak memory of fit and predict", large.peak_memory / 1e6, "MB", "<= 3000"),
        records.Row("a million words: vectors in the model", large.output["vectors"], ""),
        records.Row("a million words: seconds to load and index", large.output["seconds"], "s"),
    ]
    title = f"Resume NER, jieba's dictionary, no pre-trained vectors, {seeds} seed(s): mean, smallest, largest; F1 in %"
    command = records.command_line(COMMAND, seeds=seeds, jobs=jobs)
    return records.make_result(NAME, title, command, rows, threads=1, jobs=jobs)


def load(split: str) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences and tags of Resume NER."""
    import latticework as lw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the illegal tags there
        found = lw.datasets.load("resume-ner", split=split)
    return found.sentences, found.tags_in()


def sample(
    sentences: list[list[str]], tags: list[list[str]], share: float, seed: int
) -> tuple[list[list[str]], list[list[str]]]:
    """A share of the sentences, drawn with a seed."""
    if share == 1:
        return sentences, tags
    chosen = np.random.default_rng(seed).permutation(len(sentences))[: round(share * len(sentences))]
    return [sentences[index] for index in chosen], [tags[index] for index in chosen]


def fit(model: str, seed: int, share: float) -> dict[str, float]:
    """Train on a share of the sentences, and score."""
    from latticework import ner
    from latticework.ner.metrics import span_scores
    from latticework.ner.tags import spans_of

    name, settings = MODELS[model]
    kind = getattr(ner, name)
    sentences, tags = load("train")
    sentences, tags = sample(sentences, tags, share, seed)
    epochs = {} if share == 1 else {"max_epochs": TENTH_EPOCHS}
    tagger = kind(config=kind.config_class(**settings), random_state=seed, device="cpu", **epochs)
    started = time.monotonic()
    tagger.fit(sentences, tags, load("dev"))
    minutes = (time.monotonic() - started) / 60
    test, gold = load("test")
    predicted = [spans_of(row) for row in tagger.predict(test)]
    scores = span_scores([spans_of(row) for row in gold], predicted)
    return {
        "f1": 100 * scores.f1,
        "precision": 100 * scores.precision,
        "recall": 100 * scores.recall,
        "dev": 100 * max(row["valid_f1"] for row in tagger.history_ if "valid_f1" in row),
        "minutes": minutes,
        "epochs": tagger.history_[-1]["epoch"],
    }


def data() -> dict[str, float]:
    """What is there, counted as the published scorer does, and that nothing is dropped."""
    from latticework.ner import CharacterTagger, TaggerConfig
    from latticework.ner.tags import spans_as_published

    found: dict[str, float] = {}
    for split in ("train", "dev", "test"):
        found[f"entities of {split}, as published"] = sum(len(spans_as_published(row)) for row in raw_tags(split))
    sentences, tags = load("dev")
    tagger = CharacterTagger(max_epochs=1, config=TaggerConfig(batch_size=32), random_state=0, device="cpu")
    tagger.fit(sentences, tags)
    long = [character for sentence in sentences for character in sentence][:LONG]
    found[f"characters tagged of a sentence of {LONG}"] = len(tagger.predict([long])[0])
    return found


def raw_tags(split: str) -> list[list[str]]:
    """The tags as they stand in the file, illegal ones included."""
    import latticework as lw
    from latticework.core import read_lines

    path = lw.core.datasets.path("resume-ner", f"ner/resume_ner/{split}.char.bmes")
    rows: list[list[str]] = [[]]
    for line in read_lines(path):
        if line.strip():
            rows[-1].append(line.split()[-1])
        else:
            rows.append([])
    return [row for row in rows if row]


def million() -> dict[str, float]:
    """Fit an epoch and predict with a lexicon of a million words made of the text's own characters."""
    from latticework.ner import LatticeTagger, Lexicon

    sentences, tags = load("train")
    letters = sorted({character for sentence in sentences for character in sentence if not character.isspace()})
    draw = np.random.default_rng(0)
    words: dict[str, None] = dict.fromkeys(Lexicon.of("jieba").words)
    while len(words) < MILLION:
        for row in draw.integers(len(letters), size=(MILLION // 4, 4)):
            words["".join(letters[index] for index in row[: 2 + row[0] % 3])] = None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "words.txt"
        file.write_text("\n".join(list(words)[:MILLION]), encoding="utf-8")
        del words
        started = time.monotonic()
        lexicon = Lexicon.of(file)
        from latticework.ner.matching import Matcher

        Matcher(lexicon).match(["一"])
        seconds = time.monotonic() - started
        tagger = LatticeTagger(lexicon, max_epochs=1, random_state=0, device="cpu").fit(sentences, tags)
    tagger.predict(load("test")[0])
    return {"vectors": len(tagger.learned_.inputs.words), "seconds": seconds}


if __name__ == "__main__":
    main()
