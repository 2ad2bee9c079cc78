"""Triples in parquet files: three columns of texts or integers.

A few bytes of such a file may stand for any number of rows, or for long texts in all of them. So the rows are counted
before any is read, and texts are read as dictionaries, in which each is once, however often it is there.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

from latticework.core.errors import InputError, require
from latticework.core.files import MAX_LINE_BYTES
from latticework.core.words import listed, shortened
from latticework.knowledge.io.dataset import BATCH, MAX_TRIPLES, Columns
from latticework.knowledge.io.tables import HEADERS, checked, columns_in_order
from latticework.knowledge.triples import NamedTriple

ROWS_OF_A_BYTE: Final = 1000  # at most: where facts are distinct, a file has fewer by far
_PURPOSE: Final = "reading and writing parquet"


def parquet_columns(path: str | os.PathLike[str]) -> Iterator[Columns]:
    """The columns of a parquet file of texts or integers, named as in `HEADERS`; of just three in that order.

    Raises
    ------
    InputError
        If it is no parquet file, there are no such columns, there are more rows than are read, a name is longer than a
        line of text may be, or, with its row, a name is missing or empty.
    """
    arrow = require("pyarrow", extra="parquet", purpose=_PURPOSE)
    parquet = require("pyarrow.parquet", extra="parquet", purpose=_PURPOSE)
    first = 0
    try:
        with parquet.ParquetFile(path) as file:
            about, wanted = file.metadata, _wanted(file.schema_arrow, arrow, path)
        _check_rows(about.num_rows, path)
        texts = [name for name, integers in wanted.items() if not integers]
        with parquet.ParquetFile(path, metadata=about, read_dictionary=texts) as file:
            for batch in file.iter_batches(BATCH, columns=list(wanted)):
                columns = [_names(batch.column(column), arrow, f"{path}: the column {column}") for column in wanted]
                rows = list(zip(*columns, strict=True))
                yield from checked(rows, range(first, first + len(rows)), f"{path}: row ")
                first += len(rows)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error


def parquet_bytes(triples: Sequence[NamedTriple]) -> bytes:
    """A parquet file of triples by name."""
    arrow = require("pyarrow", extra="parquet", purpose=_PURPOSE)
    parquet = require("pyarrow.parquet", extra="parquet", purpose=_PURPOSE)
    columns = zip(*triples, strict=True) if triples else ((), (), ())
    arrays = [arrow.array(column, arrow.string()).dictionary_encode() for column in columns]
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(arrays, names=list(HEADERS[0])), buffer)
    return buffer.getvalue()


def _wanted(schema: Any, arrow: Any, path: str | os.PathLike[str]) -> dict[str, bool]:
    """The names of the three columns, and whether each holds integers."""
    names = list(schema.names)
    if len(set(names)) < len(names):
        raise InputError(f"{path} has two columns of one name: {listed(names)}")
    order = columns_in_order(names)
    if order is None and len(names) != 3:
        raise InputError(f"{path} has the columns {listed(names)}: expected {', '.join(HEADERS[0])}")
    wanted: dict[str, bool] = {}
    for name in [names[place] for place in order] if order else names:
        kind = schema.field(name).type
        kind = kind.value_type if arrow.types.is_dictionary(kind) else kind
        wanted[name] = arrow.types.is_integer(kind)
        if not (wanted[name] or arrow.types.is_string(kind) or arrow.types.is_large_string(kind)):
            raise InputError(f"{path}: the column {shortened(name)} holds {kind}, expected texts or integers")
    return wanted


def _check_rows(rows: int, path: str | os.PathLike[str]) -> None:
    """Refuse more rows than are read of any file, or than one of that size can have."""
    size = os.path.getsize(path)
    if rows > MAX_TRIPLES:
        raise InputError(f"{path} has {rows:,} rows, more than the {MAX_TRIPLES:,} triples that are read: give a part")
    if rows > ROWS_OF_A_BYTE * size:
        raise InputError(f"{path} tells of {rows:,} rows, more than {size:,} bytes hold facts: leave out what repeats")


def _names(column: Any, arrow: Any, place: str) -> list[str | None]:
    """The names in a column, of which each is made once; None where one is missing."""
    if not arrow.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    rows = column.indices.to_pylist()
    used = [number for number in dict.fromkeys(rows) if number is not None]
    names = column.dictionary.take(arrow.array(used, arrow.int64())).cast(arrow.string()).to_pylist()
    if any(name is not None and len(name) > MAX_LINE_BYTES for name in names):
        raise InputError(f"{place} has a name that is longer than {MAX_LINE_BYTES:,} characters; are these names?")
    return list(map(dict(zip(used, names, strict=True)).get, rows))
