"""Lines, JSON lines, CSV and arrays; parallel text, entities, lexica and word vectors; expressions."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.examples import Files, Format

from latticework.calculus.derivation import derive
from latticework.calculus.marking import check
from latticework.core import arrays
from latticework.core.delimited import numbered_rows
from latticework.core.files import decode_lines, read_bytes, read_lines
from latticework.core.values import read_object
from latticework.ner.io import convert, read_tagged, texts_in
from latticework.ner.lexicon import Lexicon
from latticework.ner.pretrained import Given
from latticework.ner.vectors import read_vectors
from latticework.translation.io import read_pairs

TSV = "a house\tein Haus\nthe garden\tder Garten\n\t\n"
PAIRS = [
    {"source": "a house", "target": "ein Haus"},
    {"source": "tea", "target": "Tee", "id": 7},
    {"source": "\u00fc", "target": "ß"},
]
TAGGED = "我 O\n爱 O\n长 B-LOC\n江 E-LOC\n\n北 B-LOC\n京 E-LOC\n好 S-X\n"
ENTITIES = [
    {"text": "我 爱长江", "entities": [[3, 5, "LOC"]]},
    {"text": "北京", "entities": [{"start": 0, "end": 2, "label": "LOC"}]},
    {"text": "好", "entities": []},
]
VECTORS = "3 4\n长江 0.5 -1 0 1\n大桥 0 0 1 1e-3\n桥 1 1 1 1\n"


def packed_by(pack: Callable[[bytes], bytes], suffix: str = "") -> Callable[[Files], Files]:
    """Seal files by packing each."""
    return lambda files: {f"{name}{suffix}": pack(data) for name, data in files.items()}


gzipped = packed_by(lambda data: gzip.compress(data, 1, mtime=0), ".gz")
PACKERS = {"gzip": lambda data: gzip.compress(data, 1, mtime=0), "bzip2": bz2.compress, "xz": lzma.compress}


def zipped(name: str, *, compression: int = zipfile.ZIP_DEFLATED, folder: str = "") -> Callable[[Files], Files]:
    """Seal files by putting them into one archive."""

    def seal(files: Files) -> Files:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            for member, data in files.items():
                archive.writestr(folder + member, data)
        return {name: stream.getvalue()}

    return seal


def json_lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def npy(values: Any, dtype: Any = None) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(values, dtype=dtype))
    return stream.getvalue()


def objects(folder: Path) -> None:
    for number, line in enumerate(read_lines(folder / "some.jsonl"), start=1):
        read_object(line, f"some.jsonl:{number}")


def decoded(folder: Path) -> list[str]:
    return list(decode_lines(io.BytesIO(read_bytes(folder / "some.txt", most=2**20)), "stream"))


def text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "surrogateescape")


def expression(folder: Path) -> None:
    try:
        shapes = dict(line.split("=", 1) for line in text(folder / "shapes.txt").split("\n") if "=" in line)
        wrt, source, answer, assumed = (text(folder / f"{name}.txt") for name in ("wrt", "source", "answer", "assume"))
    except ValueError:
        return
    check(source, wrt, answer, shapes, assume=assumed)
    derive(source, wrt, shapes, order=2)


def expressions() -> list[Files]:
    given = [
        ("x'*A*x", "x", "x'*(A + A')", "A=n,n\nx=n\n", "A symmetric"),
        ("norm2(X*w - y)^2", "w", "2*(X*w - y)'*X", "X=N,n\nw=n\ny=N\n", "w positive"),
        ("sum(log(1 + exp(-y.*(X*w)))) + a*v[1]", "w", "vector(1)'*X", "v=2*n + 1\na=\n", "y positive"),
        ("tr(A*inv(B)) + det(B)", "A", "inv(B)'", "A=n,n\nB=n,n\n", "B symmetric, A positive"),
    ]
    names = "source", "wrt", "answer", "shapes", "assume"
    return [{f"{name}.txt": part.encode() for name, part in zip(names, one, strict=True)} for one in given]


def sides() -> list[Files]:
    return [{"en.txt": b"a house\ntea\n", "de.txt": "ein Haus\nTee für zwei\n".encode()}]


FORMATS = [
    Format(
        "lines",
        lambda: [{"some.txt": "ein Haus\r\nzwei\n\nü".encode()}],
        lambda folder: read_lines(folder / "some.txt"),
    ),
    Format("lines-of-a-stream", lambda: [{"some.txt": b"one\ntwo\n"}], decoded),
    Format(
        "lines-gzip",
        lambda: [{"some.txt": b"one\ntwo\n" * 50}],
        lambda folder: read_lines(next(folder.iterdir())),
        seal=gzipped,
        guided=True,
    ),
    Format("json-lines", lambda: [{"some.jsonl": json_lines([{"a": [1, None]}, {}])}], objects),
    Format(
        "csv",
        lambda: [{"some.csv": b'"Paris, Texas",USA\n"two\nlines",1\na,\n'}],
        lambda folder: numbered_rows(read_lines(folder / "some.csv"), "some.csv"),
    ),
    Format(
        "npy",
        lambda: [
            {"some.npy": npy([1.0, 2.0])},
            {"some.npy": npy([[1, 2], [3, 4]], ">i2")},
            {"some.npy": npy([], bool)},
        ],
        lambda folder: np.array(arrays.read_npy(folder / "some.npy")),
        guided=True,
    ),
    Format(
        "npz",
        lambda: [{"a.npy": npy([1.0, 2.0]), "b.npy": npy(["x", "yz"]), "c.npy": npy([[1, 2], [3, 4]], ">i2")}],
        lambda folder: arrays.read_npz(folder / "some.npz", ("a", "b", "c")),
        seal=zipped("some.npz"),
    ),
    Format("translation-tsv", lambda: [{"pairs.tsv": TSV.encode()}], lambda folder: read_pairs(folder / "pairs.tsv")),
    Format(
        "translation-jsonl",
        lambda: [{"pairs.jsonl": json_lines(PAIRS)}],
        lambda folder: read_pairs(folder / "pairs.jsonl"),
    ),
    Format("translation-sides", sides, lambda folder: read_pairs(folder / "en.txt", folder / "de.txt")),
    Format(
        "ner-conll",
        lambda: [{"some.bmes": TAGGED.encode()}, {"some.bmes": TAGGED.replace("E-", "I-").replace(" ", "\t").encode()}],
        lambda folder: convert(folder / "some.bmes", folder / "other.jsonl"),
    ),
    Format(
        "ner-jsonl",
        lambda: [{"some.jsonl": json_lines(ENTITIES)}],
        lambda folder: convert(folder / "some.jsonl", folder / "other.bmes"),
    ),
    Format(
        "ner-texts",
        lambda: [{"some.jsonl": json_lines(ENTITIES)}],
        lambda folder: texts_in(read_lines(folder / "some.jsonl"), "some.jsonl"),
    ),
    Format(
        "ner-one-sentence",
        lambda: [{"some.txt": TAGGED.encode()}],
        lambda folder: read_tagged(folder / "some.txt", repair="drop"),
    ),
    Format(
        "ner-lexicon",
        lambda: [{"words.txt": words.encode()} for words in ("长江\n大桥\n\n好\n", "长江 20 ns\n大桥 7 n\n", VECTORS)],
        lambda folder: Lexicon.of(folder / "words.txt").to_bytes(),
    ),
    Format(
        "ner-vectors",
        lambda: [{"some.vec": VECTORS.encode()}, {"some.vec": VECTORS.split("\n", 1)[1].encode()}],
        lambda folder: (
            read_vectors(folder / "some.vec", {"长江"}),
            Given.read(folder / "some.vec", folder / "some.vec", Lexicon.of(["长江", "大桥"])),
        ),
    ),
    Format("expressions", expressions, expression),
]
