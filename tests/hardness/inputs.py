"""What the commands are given: small files, and models that are fitted in a moment."""

from __future__ import annotations

import warnings
from pathlib import Path

from latticework.cli import main

SENTENCES = [f"{one} {other}" for one in ("one", "two", "three") for other in ("dogs", "cats", "trees", "houses")]
PAIRS = [f"{text}\t{text[::-1]}" for text in SENTENCES]
TAGGED = ["我 O\n爱 O\n长 B-RIV\n江 E-RIV\n", "他 O\n在 O\n长 B-LOC\n城 E-LOC\n", "到 O\n北 B-LOC\n京 E-LOC\n了 O\n"]
FACTS = [
    f"{city}\tlies in\t{country}" for city, country in {"Rome": "Italy", "Milan": "Italy", "Oslo": "Norway"}.items()
]
FACTS += ["Italy\thas city\tRome", "Italy\thas city\tMilan", "Norway\thas city\tOslo", "Rome\ttwin of\tOslo"]
CHANGES = ["+\tTurin\tlies in\tItaly", "-\tRome\ttwin of\tOslo"]
IRIS = ["<a:Rome>\t<a:in>\t<a:Italy>", "<a:Oslo>\t<a:in>\t<a:Norway>"]
NUMBERS = ["0\t0\t1", "2\t0\t3", "1\t1\t0"]
FILES = {
    "pairs.tsv": PAIRS,
    "train.bio": TAGGED,
    "other.bio": TAGGED[:2],
    "words.txt": ["长江", "长城", "北京"],
    "texts.txt": ["他在长江", "我到北京", "长城长江北京"] * 4,
    "facts.tsv": FACTS,
    "more.tsv": [*FACTS[1:], "Turin\tlies in\tItaly"],
    "iris.tsv": IRIS,
    "more-iris.tsv": IRIS[:1],
    "numbers.tsv": NUMBERS,
    "more-numbers.tsv": NUMBERS[1:],
    "changes.tsv": CHANGES,
}
PART = "--family superellipsoid --good 4 --validation 2 --test-good 1 --per-defect 1 --size 64 --contrast easy --seed 0"
MEDIATE = "mediate fit study --chains 2 --warmup 10 --draws 10 --jobs 1 -o"
NER = "ner fit train.bio --lexicon words.txt --hidden-size 4 --epochs 1 --device cpu -o tagger"
MADE = [
    "translate fit pairs.tsv -o translator --device cpu",
    NER,
    f"anomaly synth -o parts {PART}",
    "anomaly fit parts -o detector --size 64 --device cpu --banks colour,geometry",
    "anomaly fit parts -o other-detector --size 64 --device cpu --banks colour",
    "kg fit facts.tsv -o graph --dim 4 --epochs 1 --update-epochs 1 --device cpu",
    "kg fit facts.tsv -o other-graph --dim 4 --epochs 1 --update-epochs 1 --device cpu --seed 1",
    "mediate simulate -o study --subjects 20 --side 5",
    f"{MEDIATE} effects",
    f"{MEDIATE} other-effects --seed 1",
]


def shrink() -> None:
    """Make what "translate fit" learns by default small."""
    from latticework.translation import TransformerConfig
    from latticework.translation.presets import PRESETS, Preset

    config = TransformerConfig(layers=1, d_model=8, heads=2, feed_forward=8, batch_tokens=64, max_length=24)
    PRESETS["tiny"] = Preset(config=config, vocab_size=36, max_epochs=2)


def write_files(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, lines in FILES.items():
        (folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8")


def make() -> int:
    """Write all that commands are given into the folder that the process is in."""
    warnings.simplefilter("ignore")
    return next((status for words in MADE if (status := main(words.split()))), 0)
