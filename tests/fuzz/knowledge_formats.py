"""Graphs and changes to them: tables, RDF, arrays, parquet, folders of OpenKE."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from fuzz.examples import Files, Format
from fuzz.text_formats import gzipped, json_lines, npy

from latticework.core.files import read_lines
from latticework.knowledge.deltas import read_delta, read_transactions
from latticework.knowledge.exporting import read_names
from latticework.knowledge.io import read_splits, read_triples
from latticework.knowledge.io.formats import read_rows
from latticework.knowledge.io.openke import read_openke
from latticework.knowledge.positions import Place, find_place, gone_on

NTRIPLES = '<http://x/Rome> <http://x/in> <http://x/Italy> .\n_:b <http://x/name> "Roma"@it .\n'
NTRIPLES += '<http://x/Rome> <http://x/size> "2.8e6"^^<http://www.w3.org/2001/XMLSchema#double> .\n'
NTRIPLES += '<http://x/Rome> <http://x/since> "-0753-04-21"^^<http://www.w3.org/2001/XMLSchema#date> .\n'
TURTLE = "@prefix x: <http://x/> .\nx:Rome x:in x:Italy ; x:name 'Roma'@it , 3.5 ; x:near [ x:in x:Italy ] .\n"
TURTLE += "x:a x:b (1 2) .\n"
TRIG = "@prefix x: <http://x/> .\nx:g { x:Rome x:in x:Italy . }\n<< x:a x:b x:c >> x:d x:e .\n"
RDF = {
    "nt": [NTRIPLES],
    "nq": [NTRIPLES, "<http://x/a> <http://x/b> <http://x/c> <http://x/g> .\n"],
    "ttl": [TURTLE, NTRIPLES],
    "trig": [TRIG.splitlines(keepends=True)[0] + TRIG.splitlines(keepends=True)[1], TURTLE],
}
OPENKE = {
    "entity2id.txt": b"3\nRome\t0\nNew York\t1\nItaly\t2\n",
    "relation2id.txt": b"1\nin\t0\n",
    "train2id.txt": b"2\n0 2 0\n1 2 0\n",
    "valid2id.txt": b"1\n0\t1\t0\n",
    "test2id.txt": b"0\n",
}
CHANGES = b"+\tRome\tin\tItaly\n-\tMilan\tin\tItaly\n\n+\tOslo\tin\tNorway\n"
JSON_CHANGES = [{"add": ["a", "r", "b"]}, {"remove": ["Rome", "in", "Gaul"]}]
JSON_CHANGES += [{"op": "add", "head": "a", "relation": "r", "tail": "c"}]


def graph(name: str, *contents: bytes, seal: Callable[[Files], Files] | None = None, guided: bool = False) -> Format:
    kind = name.removesuffix("-gzip")

    def read(folder: Path) -> None:
        for option in ("drop", "keep", "bucket"):
            read_triples(next(folder.iterdir()), literals=option, blank_nodes="drop" if option == "keep" else "keep")

    return Format(
        f"knowledge-{name}", lambda: [{f"some.{kind}": content} for content in contents], read, seal=seal, guided=guided
    )


def parquet() -> list[Files]:
    import pyarrow
    import pyarrow.parquet

    columns = {"head": ["a", "b"], "relation": ["r", "r"], "tail": ["b", "c"]}
    numbers = {"tail": [1, 2], "x": [0.5, 1.0], "head": [3, 4], "relation": [0, 0]}
    found = []
    same = pyarrow.DictionaryArray.from_arrays([0] * 10_000, ["a" * 1_000])
    for table, options in (
        (pyarrow.table(dict.fromkeys(columns, same)), {"compression": "zstd"}),
        (pyarrow.table(columns), {"compression": "snappy"}),
        (pyarrow.table(numbers), {"compression": "none", "use_dictionary": False}),
        (
            pyarrow.table({name: pyarrow.array(one).dictionary_encode() for name, one in columns.items()}),
            {"compression": "zstd"},
        ),
    ):
        stream = io.BytesIO()
        pyarrow.parquet.write_table(table, stream, **options)
        found.append({"some.parquet": stream.getvalue()})
    return found


def positioned(folder: Path) -> None:
    place = Place()
    for line in ("+\tRome\tin\tItaly", "-\tMilan\tin\tItaly"):
        place.pass_over(line)
    position = place.position(str(folder / "log.tsv"))
    find_place(folder / "log.tsv", [position])
    for _ in gone_on(folder / "log.tsv", read_lines(folder / "log.tsv"), position):
        pass


FORMATS = [
    graph("tsv", b"New York\tin\tUSA\nRome\tin\tItaly\n\n"),
    graph("txt", b"Rome\tin\tItaly\n", NTRIPLES.encode(), TURTLE.encode(), b"Rome,in,Italy\n"),
    graph("csv", b'head,relation,tail\n"Paris, Texas",in,USA\n', b"tail,head,relation\nUSA,Paris,in\n", b"a,b,c\n"),
    graph("nt-gzip", NTRIPLES.encode(), seal=gzipped, guided=True),
    *(graph(kind, *(content.encode() for content in contents)) for kind, contents in RDF.items()),
    graph("npy", npy([[0, 0, 1], [1, 0, 2]]), npy([[0, 0, 1], [1, 0, 2]], ">u2"), guided=True),
    Format("knowledge-parquet", parquet, lambda folder: read_triples(folder / "some.parquet"), guided=True),
    Format(
        "knowledge-splits",
        lambda: [{"train.tsv": b"a\tr\tb\n", "valid.tsv": b"b\tr\ta\n", "test.txt": b"a\tr\ta\n"}],
        lambda folder: (read_splits(folder), read_rows(folder, "valid")),
    ),
    Format(
        "knowledge-openke",
        lambda: [OPENKE],
        lambda folder: (read_openke(folder), read_triples(folder / "valid2id.txt")),
    ),
    Format(
        "knowledge-delta",
        lambda: [{"some.tsv": CHANGES}, {"some.tsv": json_lines(JSON_CHANGES)}],
        lambda folder: read_delta(folder / "some.tsv"),
    ),
    Format(
        "knowledge-transactions",
        lambda: [{"log.tsv": CHANGES}, {"log.tsv": json_lines(JSON_CHANGES)}],
        lambda folder: read_transactions(read_lines(folder / "log.tsv"), "log.tsv"),
    ),
    Format("knowledge-positions", lambda: [{"log.tsv": CHANGES}], positioned),
    Format(
        "knowledge-names",
        lambda: [{"some.names.txt": b"New York\ntwo\\nlines\n\\\\\n"}],
        lambda folder: read_names(folder / "some.names.txt"),
    ),
]
