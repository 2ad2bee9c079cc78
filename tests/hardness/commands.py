"""Every command that writes: how it is given, what it writes, and how that is recognised as whole.

A command is run in a folder of its own, beside the inputs, which `hardness.inputs` makes once. `{to}` stands before
whatever it writes, and is empty as a rule; what it changes in place is copied to where it is run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from latticework.cli.app import app
from latticework.core.capability import capabilities, resolve

INPUTS = "données d'été 数据 (1)"  # `../inputs` is the folder of this name
# What an output is: a file; a folder of a model, which config.json commits; a folder that is there as a whole or not at
# all; a folder of files of which each is; and files that belong together, of which the last says that all are there.
FILE, MODEL, FOLDER, FILES, SET = "file", "model", "folder", "files", "set"


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes
    ----------
    name
        What tests and the campaign call it.
    words
        Its arguments.
    writes
        Kinds of what it writes, by name.
    before
        Its arguments when it wrote what is there before; none if it never writes over anything.
    over
        Arguments that it is given besides where there is something before.
    changes
        Inputs that it changes in place: copied to where it runs.
    refuses
        Whether it refuses, given again, to write over what it has written, unless it is given `over`.
    """

    name: str
    words: str
    writes: dict[str, str]
    before: str | None = None
    over: str = ""
    changes: tuple[str, ...] = ()
    refuses: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """What it is called, without arguments."""
        words = self.words.split()
        return tuple(words[:1] if words[0] in ("derive", "tour") else words[:2])

    def arguments(self, *more: str, to: str = "") -> list[str]:
        """What it is given, as a shell would give it, in whatever locale."""
        return arguments(" ".join([self.words, *more]), to)

    @property
    def options(self) -> set[str]:
        return {{"-o": "--output"}.get(word, word) for word in self.words.split() if word.startswith("-")}


def arguments(words: str, to: str = "") -> list[str]:
    """The words of a command, as a shell would give them in whatever locale."""
    given = [word.replace("../inputs", f"../{INPUTS}").replace("{to}", to) for word in words.split()]
    return [os.fsdecode(word.encode()) for word in given]


def folder_of_inputs(root: Path) -> Path:
    """Where the inputs are."""
    return root / os.fsdecode(INPUTS.encode())


def reseeded(words: str) -> str:
    """The same command with another seed."""
    return f"{words} --seed 1"


TRANSLATE = "translate fit ../inputs/pairs.tsv -o {to}translator --device cpu"
NER = "ner fit ../inputs/train.bio --lexicon ../inputs/words.txt -o {to}tagger --hidden-size 4 --epochs 2 --device cpu"
ANOMALY = "anomaly fit ../inputs/parts -o {to}detector --size 64 --device cpu --banks"
KG = "kg fit ../inputs/facts.tsv -o {to}graph --dim 4 --epochs 2 --update-epochs 2 --device cpu"
UPDATE = "kg update {model} ../inputs/changes.tsv --device cpu --page {to}update.html"
QUICK = "--chains 2 --warmup 10 --draws 10 --jobs 1"
MEDIATE = f"mediate fit ../inputs/study -o {{to}}effects --page {{to}}page.html {QUICK}"
SYNTH = "anomaly synth -o {to}ring --family ring --good 1 --validation 1 --test-good 1 --per-defect 1 --size 32"
EXPLAIN = "anomaly explain ../inputs/{model} ../inputs/parts/test/dent/rgb/000.png --page {to}page.html --device cpu"


def with_model(words: str, model: str) -> str:
    return words.replace("{model}", model)


COMMANDS = [
    Command("translate-fit", TRANSLATE, {"translator": MODEL}, reseeded(TRANSLATE), "--restart"),
    Command(
        "translate-predict",
        "translate predict ../inputs/translator ../inputs/pairs.tsv -o {to}translations.jsonl --device cpu",
        {"translations.jsonl": FILE},
        "translate predict ../inputs/translator ../inputs/facts.tsv -o {to}translations.jsonl --device cpu",
    ),
    Command(
        "translate-export", "translate export ../inputs/translator {to}exported", {"exported": FOLDER}, refuses=True
    ),
    Command("ner-fit", NER, {"tagger": MODEL}, reseeded(NER), "--restart"),
    Command(
        "ner-predict",
        "ner predict ../inputs/tagger ../inputs/texts.txt -o {to}tags.bio --device cpu",
        {"tags.bio": FILE},
        "ner predict ../inputs/tagger ../inputs/words.txt -o {to}tags.bio --device cpu",
    ),
    Command(
        "ner-predict-page",
        "ner predict ../inputs/tagger ../inputs/texts.txt --format html -o {to}tags.html --device cpu",
        {"tags.html": FILE},
        "ner predict ../inputs/tagger ../inputs/words.txt --format html -o {to}tags.html --device cpu",
    ),
    Command(
        "ner-convert",
        "ner convert ../inputs/train.bio {to}train.jsonl.gz",
        {"train.jsonl.gz": FILE},
        "ner convert ../inputs/other.bio {to}train.jsonl.gz",
    ),
    Command(
        "ner-vectors",
        "ner vectors ../inputs/texts.txt -o {to}characters.vec --size 4 --epochs 1",
        {"characters.vec": FILE},
        "ner vectors ../inputs/texts.txt -o {to}characters.vec --size 4 --epochs 1 --seed 1",
    ),
    Command(
        "anomaly-fit",
        f"{ANOMALY} colour,geometry",
        {"detector": MODEL},
        f"{ANOMALY} colour",
        "--restart",
        refuses=True,
    ),
    Command(
        "anomaly-predict",
        "anomaly predict ../inputs/detector ../inputs/parts/test/dent --maps {to}maps --device cpu",
        {"maps": FILES},
        refuses=True,
    ),
    Command(
        "anomaly-evaluate",
        "anomaly evaluate ../inputs/detector ../inputs/parts --maps {to}maps --page {to}page.html --device cpu",
        {"maps": FILES, "page.html": FILE},
        refuses=True,
    ),
    Command(
        "anomaly-explain",
        with_model(EXPLAIN, "detector"),
        {"page.html": FILE},
        with_model(EXPLAIN, "other-detector"),
    ),
    Command("anomaly-synth", f"{SYNTH} --seed 3", {"ring": FOLDER}, refuses=True),
    Command("anomaly-preprocess", "anomaly preprocess ../inputs/parts -o {to}ready --split test", {"ready": FILES}),
    Command("kg-fit", KG, {"graph": MODEL}, reseeded(KG), "--restart"),
    Command("kg-update", with_model(UPDATE, "graph"), {"graph": MODEL, "update.html": FILE}, changes=("graph",)),
    Command(
        "kg-update-elsewhere",
        with_model(UPDATE, "../inputs/graph -o {to}updated"),
        {"updated": MODEL, "update.html": FILE},
        refuses=True,
    ),
    Command(
        "kg-watch", "kg watch graph ../inputs/changes.tsv --once --device cpu", {"graph": MODEL}, changes=("graph",)
    ),
    Command(
        "kg-diff",
        "kg diff ../inputs/facts.tsv ../inputs/more.tsv -o {to}delta.jsonl",
        {"delta.jsonl": FILE},
        "kg diff ../inputs/more.tsv ../inputs/facts.tsv -o {to}delta.jsonl",
    ),
    *(
        Command(
            f"kg-convert-{ending.lstrip('.')}",
            f"kg convert ../inputs/{source}.tsv {{to}}facts{ending}",
            {f"facts{ending}": FILE},
            f"kg convert ../inputs/{other}.tsv {{to}}facts{ending}",
        )
        for ending, source, other in (
            (".csv.gz", "facts", "more"),
            (".nt", "iris", "more-iris"),
            (".parquet", "facts", "more"),
            (".npy", "numbers", "more-numbers"),
        )
    ),
    Command(
        "kg-convert-openke",
        "kg convert ../inputs/facts.tsv {to}facts --to openke",
        {"facts": FOLDER},
        refuses=True,
    ),
    *(
        Command(
            f"kg-export-{ending}",
            f"kg export ../inputs/graph {{to}}entities.{ending}",
            {f"entities.{ending}": SET if ending in ("npy", "faiss") else FILE},
            f"kg export ../inputs/other-graph {{to}}entities.{ending}",
        )
        for ending in ("npy", "parquet", "vec", "faiss")
    ),
    Command(
        "mediate-fit",
        f"{MEDIATE} --results {{to}}results",
        {"effects": MODEL, "page.html": FILE, "results": FOLDER},
        reseeded(MEDIATE),
        "--restart",
        refuses=True,
    ),
    Command(
        "mediate-report",
        "mediate report ../inputs/effects --results {to}results --page {to}page.html",
        {"page.html": FILE, "results": FOLDER},
        refuses=True,
    ),
    Command(
        "mediate-simulate",
        "mediate simulate -o {to}study --subjects 12 --side 5",
        {"study": FOLDER},
        refuses=True,
    ),
    Command(
        "mediate-basis",
        "mediate basis ../inputs/study/mask.nii.gz -o {to}basis --components 5",
        {"basis": MODEL},
        "mediate basis ../inputs/study/mask.nii.gz -o {to}basis --components 4",
        "--restart",
        refuses=True,
    ),
    Command(
        "derive",
        "derive x'*A*x --wrt x --format html -o {to}gradient.html",
        {"gradient.html": FILE},
        "derive b'*x --wrt x --format html -o {to}gradient.html",
    ),
    Command("tour", "tour --only calculus -o {to}tour.html", {"tour.html": FILE}),
]

# Those that are killed, and find the disk full, with every run of the tests: each way of writing once or twice.
OFTEN = {
    "translate-export",
    "ner-fit",
    "ner-predict",
    "anomaly-predict",
    "anomaly-preprocess",
    "kg-watch",
    "kg-export-npy",
    "mediate-report",
    "mediate-simulate",
}

# Options and arguments that are paths: those that any command writes to, and those that each only reads.
WRITTEN = {"--output", "--page", "--maps", "--results"}
WRITTEN_ARGUMENTS = {
    ("translate", "export"): "folder",
    ("ner", "convert"): "target",
    ("kg", "convert"): "target",
    ("kg", "export"): "target",
    ("kg", "update"): "model",
    ("kg", "watch"): "model",
}
READ = {
    "show": {"model"},
    "translate fit": {"source", "target", "--valid"},
    "translate predict": {"model", "file"},
    "translate evaluate": {"model", "source", "reference"},
    "translate export": {"model"},
    "ner fit": {"train", "--valid", "--char-vectors", "--word-vectors", "--lexicon"},
    "ner predict": {"model", "file", "--lexicon"},
    "ner evaluate": {"model", "file", "--lexicon"},
    "ner match": {"--lexicon"},
    "ner convert": {"source"},
    "ner vectors": {"text", "--lexicon"},
    "anomaly fit": {"folder", "--valid", "--vit", "--point-mae"},
    "anomaly predict": {"model", "paths"},
    "anomaly evaluate": {"model", "folder", "--good"},
    "anomaly explain": {"model", "path", "--good"},
    "anomaly preprocess": {"folder"},
    "kg fit": {"triples", "--valid"},
    "kg update": {"changes", "--add", "--remove", "--valid", "--test"},
    "kg watch": {"changes"},
    "kg query": {"model"},
    "kg explain": {"model"},
    "kg evaluate": {"model", "test"},
    "kg stats": {"triples"},
    "kg diff": {"old", "new"},
    "kg convert": {"source"},
    "kg export": {"model"},
    "mediate fit": {"study", "--images", "--mask", "--atlas", "--centres", "--coordinates", "--volumes"},
    "mediate report": {"model", "--truth"},
    "mediate bias": {"model", "--nu"},
    "mediate basis": {"mask", "--atlas", "--centres"},
}


def paths() -> Iterator[tuple[tuple[str, ...], str]]:
    """What every command takes that is a path: the words of the command, and the option or argument."""
    tools: list[tuple[tuple[str, ...], Any]] = [(("latticework",), typer.main.get_command(app))]
    offers = [capability for capability in capabilities() if capability.commands is not None]
    tools += [((one.command,), typer.main.get_command(resolve(one.commands))) for one in offers]
    for words, tool in tools:
        own = words if words != ("latticework",) else ()
        found = getattr(tool, "commands", None)
        for path, command in {(*own, name): one for name, one in found.items()}.items() if found else [(own, tool)]:
            for parameter in command.params:
                kind = getattr(parameter, "type_descriptor", None)
                called = getattr(parameter, "metavar", None)
                if kind is not None and ("Path" in str(kind.annotation) or called in ("PATH", "WORDS")):
                    yield path, parameter.opts[0]
