r"""Joint embeddings as files of other tools: NumPy, parquet, word2vec text, and a FAISS index.

Only what is in a fact is exported, in the order of its numbers. A .npy file and an index hold rows alone; the name of
row i is on line i + 1 of the file beside it that ends in ".names.txt", where a backslash, a line feed, a carriage
return and a NUL are written \\, \n, \r and \0. In word2vec text a name may not hold white space: each such character
becomes "_".
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
from jaxtyping import Float32

from latticework.core.checks import one_of
from latticework.core.errors import InputError, require
from latticework.core.files import write_output
from latticework.core.word2vec import word2vec_bytes
from latticework.core.words import shortened
from latticework.knowledge.choices import ExportFormat
from latticework.knowledge.embeddings import Embeddings
from latticework.knowledge.graph import KINDS, Kind
from latticework.knowledge.io.tables import check_binary
from latticework.knowledge.names import from_lines, to_lines
from latticework.knowledge.together import write_together

SUFFIXES: Final[dict[str, ExportFormat]] = {
    ".npy": "npy",
    ".parquet": "parquet",
    ".vec": "word2vec",
    ".txt": "word2vec",
    ".faiss": "faiss",
}
NAMES_SUFFIX: Final = ".names.txt"


def export_embeddings(
    path: str | os.PathLike[str], embeddings: Embeddings, *, kind: Kind = "entities", format: ExportFormat | None = None
) -> int:
    r"""Write joint embeddings to a file, and with "npy" and "faiss" their names to one beside it.

    A crash leaves a file as it was or whole. Where there are two, the one with the rows goes first and comes last, so
    that rows never stand beside names of another model. Memory: a few times the file.

    Parameters
    ----------
    path
        The file. Replaced if it is there.
    embeddings
        Of a model.
    kind
        "entities" or "relations".
    format
        "npy": float32, a row each. "parquet": columns "name" and "embedding", a list of fixed length. "word2vec": text,
        from which float32 is read back exactly; white space in a name becomes "_". "faiss": an index that compares
        with all rows by the distance that the model scores by, L2 or L1; searched with h* + r* it gives the tails of
        (h, r, ?), with t* - r* the heads. Distances L2 are squared, as always in FAISS. None: by the suffix, which is
        .npy, .parquet, .vec or .txt, or .faiss.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    InputError
        If an argument is none of those, there is no row to write, two names become one, or the file cannot be written.
    MissingExtraError
        If pyarrow or faiss is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from latticework.knowledge.graph import Graph
    >>> graph = Graph.of([("New York", "in", "USA")])
    >>> embeddings = Embeddings.of(graph, np.array([[0.5, 1], [2, 0]], np.float32), np.zeros((1, 2), np.float32))
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "places.vec")
    ...     export_embeddings(file, embeddings), file.read_text("utf-8")
    (2, '2 2\nNew_York 0.5 1\nUSA 2 0\n')
    """
    one_of("kind", kind, KINDS)
    format = _format(path, format)
    names, rows = exported(embeddings, kind)
    if format == "parquet":
        write_output(path, parquet_bytes(names, rows))
    elif format == "word2vec":
        write_output(path, word2vec_bytes(words_of(names), rows))
    else:
        data = npy_bytes(rows) if format == "npy" else faiss_bytes(rows, norm=embeddings.norm)
        _write_with_names(path, names, data)
    return len(names)


def exported(embeddings: Embeddings, kind: Kind) -> tuple[list[str], Float32[np.ndarray, "present dim"]]:
    """The names and the rows that are exported: those in a fact, by number."""
    entities = kind == "entities"
    numbers = np.flatnonzero(embeddings.present if entities else embeddings.relations_present)
    if not len(numbers):
        raise InputError(f"there are no {kind} to export: none is in a fact")
    names = (embeddings.entity_names if entities else embeddings.relation_names).named(numbers)
    rows = (embeddings.entities if entities else embeddings.relations)[numbers]
    return names, np.ascontiguousarray(rows, dtype=np.float32)


def npy_bytes(rows: Float32[np.ndarray, "present dim"]) -> bytes:
    """A .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    return buffer.getvalue()


def parquet_bytes(names: Sequence[str], rows: Float32[np.ndarray, "present dim"]) -> bytes:
    """A parquet file with the columns "name" and "embedding"."""
    arrow = require("pyarrow", extra="parquet", purpose="exporting parquet")
    parquet = require("pyarrow.parquet", extra="parquet", purpose="exporting parquet")
    embedding = arrow.FixedSizeListArray.from_arrays(arrow.array(rows.reshape(-1)), rows.shape[1])
    table = arrow.table([arrow.array(names, arrow.string()), embedding], names=["name", "embedding"])
    buffer = io.BytesIO()
    # names are distinct and numbers nearly so: a dictionary of either would only be in the way
    parquet.write_table(table, buffer, use_dictionary=False)
    return buffer.getvalue()


def words_of(names: Iterable[str]) -> list[str]:
    """Names as words of word2vec text, each white space an underscore.

    Raises
    ------
    InputError
        If two names are one without their white space.
    """
    words: dict[str, str] = {}
    for name in names:
        word = re.sub(r"\s", "_", name.replace("\0", "_"))
        other = words.setdefault(word, name)
        if other != name:
            both = f"{shortened(other)} and {shortened(name)} are both {shortened(word)}"
            raise InputError(f"{both} in word2vec text: export .npy or .parquet")
    return list(words)


def faiss_bytes(rows: Float32[np.ndarray, "present dim"], *, norm: int) -> bytes:
    """A FAISS index that compares with every row: `IndexFlatL2`, or for norm 1 a flat one of that metric."""
    faiss = require("faiss", extra="faiss", purpose="exporting a FAISS index")
    index = faiss.IndexFlatL2(rows.shape[1]) if norm == 2 else faiss.IndexFlat(rows.shape[1], faiss.METRIC_L1)
    index.add(rows)
    data: Any = faiss.serialize_index(index)
    return bytes(data)


def names_file(path: str | os.PathLike[str]) -> Path:
    """The file with the names of the rows of a .npy file or an index.

    Examples
    --------
    >>> names_file("out/entities.npy").name
    'entities.npy.names.txt'
    """
    return Path(f"{os.fspath(path)}{NAMES_SUFFIX}")


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """The names in a file that ends in ".names.txt", by row.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return from_lines(Path(path).read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a file of names: {error}") from error


def _write_with_names(path: str | os.PathLike[str], names: Sequence[str], data: bytes) -> None:
    write_together({names_file(path): to_lines(names), Path(path): data})


def _format(path: str | os.PathLike[str], format: ExportFormat | None) -> ExportFormat:
    if format is None:
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"{path}: expected a suffix of {', '.join(SUFFIXES)}, or a format")
        return SUFFIXES[suffix]
    one_of("format", format, get_args(ExportFormat))
    if format != "word2vec":
        check_binary(path, format)
    return format
