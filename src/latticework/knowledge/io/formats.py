"""Files of triples, read and written: which format one is in, its name says, or else its first line.

Tab- and comma-separated text, RDF, folders of OpenKE, parquet, and arrays of integers. Text may be compressed
with gzip, which is recognised by content; it is read line by line. A line, the triples of a file and its names are
bounded, so that a small file cannot fill the memory, whatever it is packed into.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final, get_args

import numpy as np
from jaxtyping import Int64

from latticework.core.checks import one_of
from latticework.core.errors import InputError
from latticework.core.files import read_lines, suffix, write_lines, write_output
from latticework.core.folders import check_new
from latticework.core.progress import message
from latticework.core.streams import stream_name
from latticework.core.words import counted
from latticework.knowledge.choices import BlankNodes, FileFormat, Literals, Part
from latticework.knowledge.graph import Graph
from latticework.knowledge.io.dataset import Builder, Columns, Loaded, Splits, loaded, told_left_out
from latticework.knowledge.io.openke import is_openke, read_openke, read_openke_part, write_openke
from latticework.knowledge.io.parquet import parquet_bytes, parquet_columns
from latticework.knowledge.io.rdf import OTHER_FORMATS, is_ntriples, ntriples_lines, rdf_columns
from latticework.knowledge.io.tables import (
    check_binary,
    csv_columns,
    delimited_lines,
    integer_bytes,
    integer_columns,
    tsv_columns,
)
from latticework.knowledge.names import Names
from latticework.knowledge.triples import NO_TRIPLES, NamedTriple, named_triples

FILES: Final = ".tsv, .csv, .txt, .nt, .nq, .ttl, .trig (each also with .gz), .parquet or .npy"
_OTHERS: Final = (*OTHER_FORMATS, ".json", ".jsonl", ".xlsx", ".npz", ".zip")
_ENDINGS: Final = tuple(f".{kind}{packed}" for kind in ("txt", *get_args(FileFormat)) for packed in ("", ".gz"))
_USES: Final[dict[Part, str]] = {"train": "learn from", "valid": "validate with", "test": "test with"}


def read_triples(
    path: str | os.PathLike[str],
    *,
    format: FileFormat | None = None,
    literals: Literals = "drop",
    blank_nodes: BlankNodes = "keep",
) -> Loaded:
    r"""Read a graph from a file, from standard input (``"-"``), or the part to learn from of a folder.

    Triples that are there twice count once, and a triple from an entity to itself is kept.

    Parameters
    ----------
    path
        A file, or a folder of OpenKE, or one with a file named train, such as ``train.txt``.
    format
        What it is, if the name does not say it; without, the first line of a text tells.
    literals
        Of RDF: "drop" leaves out triples whose tail is a text, number or date, "keep" makes it an entity, "bucket" one
        for all that are alike (`rdf_columns`).
    blank_nodes
        Of RDF: whether triples with nodes without an IRI are kept.

    Returns
    -------
    Loaded
        The graph, and the counts of what was left out.

    Raises
    ------
    InputError
        With file and line, if it cannot be read as such; or if it holds no triple, or more than are read
        (`latticework.knowledge.io.dataset.MAX_TRIPLES`).

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "some.tsv"
    ...     _ = file.write_text("New York\tin\tUSA\nNew York\tin\tUSA\n")
    ...     read_triples(file).told()
    '1 triple of 2 entities and 1 relation; left out: 1 duplicate'
    """
    dropped: Counter[str] = Counter()
    triples, entities, relations = _numbered(Path(path), "train", format, literals, blank_nodes, dropped)
    if not len(triples):
        raise InputError(f"{stream_name(path)} holds no triple{told_left_out(dropped)}")
    return loaded(triples, entities, relations, dropped=dropped)


def read_rows(
    path: str | os.PathLike[str],
    part: Part = "train",
    *,
    needed: bool = True,
    literals: Literals = "drop",
    blank_nodes: BlankNodes = "keep",
) -> list[NamedTriple]:
    """The triples of a file by name, in its order and as often as they are there; of a folder those of one part.

    What a policy left out is told.

    Raises
    ------
    InputError
        As `read_triples`; but for none only if some are needed.
    """
    dropped: Counter[str] = Counter()
    triples, entities, relations = _numbered(Path(path), part, None, literals, blank_nodes, dropped)
    if needed and not len(triples):
        told = f"{stream_name(path)} holds no triple"
        if Path(path).is_dir():
            told = f"{path} has no facts to {_USES[part]}: expected {part}.txt, or {part}2id.txt, with some"
        raise InputError(told + told_left_out(dropped))
    if left_out := told_left_out(dropped):
        name = os.path.join(path, part) if Path(path).is_dir() else stream_name(path)
        message(f"{name}: {counted(len(triples), 'triple')}{left_out}")
    return named_triples(triples, entities, relations)


def read_splits(
    folder: str | os.PathLike[str], *, literals: Literals = "drop", blank_nodes: BlankNodes = "keep"
) -> Splits:
    """Read a folder with files named train, valid and test (such as ``train.txt.gz``), or one of OpenKE.

    A part that has no file, other than train, is empty. The policies are those of `read_triples`.

    Raises
    ------
    InputError
        As `read_triples`, or if there is no such file.
    """
    folder = Path(folder)
    if is_openke(folder):
        return read_openke(folder)
    builder, dropped, parts = Builder(), Counter[str](), []
    for part in get_args(Part):
        path = _file_of(folder, part)
        batches = _opened(path, None, literals, blank_nodes, dropped)[1] if path else iter(())
        parts.append(np.concatenate([NO_TRIPLES, *_taken_in(builder, batches, str(path))]))
    train, valid, test = parts
    return Splits(*builder.names(), train, valid, test, dropped)


def write_triples(
    path: str | os.PathLike[str], triples: Graph | Sequence[NamedTriple], *, format: FileFormat | None = None
) -> None:
    """Write a file as its name says, as a whole or not at all; compressed if a text's name ends in .gz.

    ``"-"`` is standard output, and a name without an ending a folder of OpenKE. Of RDF, N-Triples are written, which is
    also valid in the other three formats.

    Raises
    ------
    InputError
        If the format cannot hold a name, or the file cannot be written.

    Examples
    --------
    >>> write_triples("-", [("New York", "in", "USA")], format="csv")
    head,relation,tail
    New York,in,USA
    """
    kind = kind_to_write(path, format=format)
    if kind == "openke":
        graph = triples if isinstance(triples, Graph) else Graph.of(triples)
        write_openke(path, Splits(graph.entities, graph.relations, graph.triples, NO_TRIPLES, NO_TRIPLES))
        return
    named = triples.named() if isinstance(triples, Graph) else triples
    if kind in ("parquet", "npy"):
        write_output(path, parquet_bytes(named) if kind == "parquet" else integer_bytes(named))
        return
    write_lines(path, delimited_lines(named, comma=kind == "csv") if kind in ("tsv", "csv") else ntriples_lines(named))


def kind_to_write(path: str | os.PathLike[str], *, format: FileFormat | None = None) -> str:
    """What `write_triples` writes there, to find out before long work whether it will.

    Raises
    ------
    InputError
        If the name says nothing that can be written, or the folder that it names cannot be, or holds anything.

    Examples
    --------
    >>> kind_to_write("facts.csv.gz"), kind_to_write("facts"), kind_to_write("-")
    ('csv', 'openke', 'tsv')
    """
    kind = one_of("format", format or _to_write(Path(path)), get_args(FileFormat))
    if kind in ("parquet", "npy", "openke"):
        check_binary(path, kind)
    if kind == "openke":
        check_new(path)
    return kind


def _numbered(
    path: Path,
    part: Part,
    format: FileFormat | None,
    literals: Literals,
    blank_nodes: BlankNodes,
    dropped: Counter[str],
) -> tuple[Int64[np.ndarray, "triples 3"], Names, Names]:
    """The triples of a file, or of a part of a folder, as they stand there, by number, and the names; maybe none."""
    where: Path | None = path
    if path.is_dir() and not is_openke(path):
        where = _file_of(path, part)
    if where is None:
        return NO_TRIPLES, Names(), Names()
    kind, batches = _opened(where, format, literals, blank_nodes, dropped)
    if kind == "openke":
        return _of_openke(where, part)
    builder = Builder()
    for _ in _taken_in(builder, batches, stream_name(where)):
        pass
    return builder.triples(), *builder.names()


def _taken_in(builder: Builder, batches: Iterator[Columns], name: str) -> Iterator[Int64[np.ndarray, "part 3"]]:
    """The numbers of columns, some at a time, once a builder has taken them in."""
    for columns in batches:
        try:
            part = builder.add(*columns)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        yield part


def _opened(
    path: Path, format: FileFormat | None, literals: Literals, blank_nodes: BlankNodes, dropped: Counter[str]
) -> tuple[str, Iterator[Columns]]:
    """The format of a file and its columns, some at a time; of OpenKE there are none."""
    kind = _by_name(path) if format is None else one_of("format", format, get_args(FileFormat))
    if kind is None and (ending := suffix(path)) in _OTHERS:
        raise InputError(
            f"{path}: {ending} is not read: convert it to {'N-Triples (.nt)' if ending in OTHER_FORMATS else 'text'}; "
            f"read are {FILES}, and folders of OpenKE or with train.txt"
        )
    if kind in ("parquet", "npy", "openke"):
        if os.fspath(path) == "-":
            raise InputError(f"{kind} is not read from standard input: give a file name")
        if not path.exists():
            raise InputError(f"{path}: there is no such file")
        if kind == "openke":
            return kind, iter(())
        return kind, parquet_columns(path) if kind == "parquet" else integer_columns(path)
    name, lines = stream_name(path), read_lines(path)
    if kind is None:
        first = list(islice(lines, 1))
        kind, lines = _by_line("".join(first), name), chain(first, lines)
    if kind == "tsv":
        return kind, tsv_columns(lines, name)
    if kind == "csv":
        return kind, csv_columns(lines, name)
    columns = rdf_columns(lines, name, suffix=f".{kind}", literals=literals, blank_nodes=blank_nodes, dropped=dropped)
    return kind, columns


def _by_name(path: Path) -> str | None:
    """The format that a name says; None if it is a text of which the first line is to tell."""
    if is_openke(path):
        return "openke"
    ending = suffix(path)[1:]
    return ending if ending in get_args(FileFormat) else None


def _to_write(path: Path) -> str:
    if os.fspath(path) == "-":
        return "tsv"
    kind = _by_name(path)
    if kind == "openke" and not path.is_dir():
        raise InputError(f"{path} is a file of OpenKE: give the folder to write")
    if kind is None and not path.suffix:
        return "openke"
    if kind is None and suffix(path) != ".txt":
        raise InputError(
            f"{path}: expected a name that ends in {FILES}, or one without an ending for a folder of OpenKE; else "
            "say what to write (--to, format=)"
        )
    return kind or "tsv"


def _by_line(line: str, name: str) -> str:
    if is_ntriples(line):
        return "nq"  # of which N-Triples are a part
    if re.match(r"\s*@?(prefix\s+[^\s:]*:|base)\s*<", line, re.IGNORECASE):
        return "ttl"
    if "\t" not in line and line.count(",") >= 2:
        return "csv"
    if re.fullmatch(r"\s*\d+\s*", line):
        raise InputError(f"{name}:1: this is a file of OpenKE: give its folder, or name it train2id.txt")
    return "tsv"


def _file_of(folder: Path, part: Part) -> Path | None:
    """The file of a part; None if it has none, which train must have."""
    paths = [folder / f"{part}{ending}" for ending in _ENDINGS]
    found = next((path for path in paths if path.is_file()), None)
    if found is None and part == "train":
        raise InputError(
            f"{folder} holds neither train.txt, nor a file of another format named train, nor a data set of OpenKE"
        )
    return found


def _of_openke(path: Path, part: Part) -> tuple[Int64[np.ndarray, "part 3"], Names, Names]:
    """A part of a folder, or that which a file in it is."""
    if path.is_dir():
        return read_openke_part(path, part)
    own = next((each for each in get_args(Part) if path.name.removesuffix(".gz") == f"{each}2id.txt"), None)
    if own is None:
        raise InputError(
            f"{path} has no triples of OpenKE: give its folder, or train2id.txt, valid2id.txt or test2id.txt"
        )
    return read_openke_part(path.parent, own)
