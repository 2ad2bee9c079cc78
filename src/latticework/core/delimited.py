"""Rows of comma-separated files and the like (RFC 4180): read strictly, each with its first line, and written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from latticework.core.errors import InputError


def numbered_rows(lines: Iterable[str], name: str, *, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    r"""Yield the rows of lines without line ends; a cell may be in quotation marks, and then go on over lines.

    Parameters
    ----------
    lines
        As by `core.files.read_lines`.
    name : str
        What to call the file in an error.
    delimiter : str
        One character.

    Yields
    ------
    tuple of int and list of str
        The number of its first line, and its cells.

    Raises
    ------
    InputError
        If a quotation mark is not closed, or stands where none may, or a line holds a CR outside of any.

    Examples
    --------
    >>> list(numbered_rows(['"Paris, Texas",USA', '"two', 'lines",1', "last"], "some.csv"))
    [(1, ['Paris, Texas', 'USA']), (2, ['two\nlines', '1']), (4, ['last'])]
    """
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"{error}; is a quotation mark not closed?"
            if "new-line" in str(error):
                reason = "the line holds a CR, as of line ends of CR alone: save the file with line ends of LF or CRLF"
            raise InputError(f"{name}:{number}: {reason}") from error


def csv_line(cells: Iterable[object]) -> str:
    """A row of a comma-separated file without its line end; None is an empty cell.

    Examples
    --------
    >>> csv_line(["Paris, Texas", 1.5, None])
    '"Paris, Texas",1.5,'
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().removesuffix("\n")
