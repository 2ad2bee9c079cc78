"""Figures that pages quote from results, written anew whenever a result is.

In prose a mark stands before a figure:

    The lattice reaches <!-- value of ner: F1, test, lattice -->93.98, or <!-- low of ner: F1, test, lattice -->93.7.

Above a table a line says what its columns are, but for the first, whose cells stand for `{}`:

    <!-- columns of ner: F1, test, {} | low of F1, test, {} | cited -->
    | model | F1 | smallest | the paper's |
    |:--|--:|--:|--:|
    | lattice | 93.98 | 93.7 | 94.46 |

Rows of a result go by their names, in which `*` stands for any part. Figures keep as many places as they are written
with, empty cells stay empty, and what is cited, or stands behind `<!-- cited -->`, is another's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from benchmarks.records import Result

NUMBER = re.compile(r"-?[\d,]*\.?\d+")
MARK = re.compile(rf"(<!-- (value|low|high) of ([\w-]+): (.+?) -->)({NUMBER.pattern}|)")
TABLE = re.compile(r"(<!-- columns of ([\w-]+): (.+?) -->\n(?:\|.*\n){2})((?:\|.*\n)+)")
CITED = re.compile(rf"<!-- cited -->{NUMBER.pattern}")


def requoted(text: str, results: Mapping[str, Result]) -> str:
    """Write every quotation of a page as the results have it; a ValueError names one that quotes nothing."""

    def mark(found: re.Match[str]) -> str:
        shown, end, result, row, written = found.groups()
        return shown + _figure(written, results.get(result), end, row)

    def table(found: re.Match[str]) -> str:
        head, result, columns, lines = found.groups()
        return head + "".join(
            _line(line.split("|")[1:-1], columns.split(" | "), results.get(result)) for line in lines.splitlines()
        )

    return TABLE.sub(table, MARK.sub(mark, text))


def unquoted(text: str) -> str:
    """Take out of a page what it quotes or cites."""
    return TABLE.sub("", MARK.sub("", CITED.sub("", text)))


def _line(cells: list[str], columns: list[str], result: Result | None) -> str:
    first, *others = cells
    if len(others) != len(columns):
        raise ValueError(f"{'|'.join(cells)}: it has not the columns {' | '.join(columns)}")
    named = [column.replace("{}", first.strip()) for column in columns]
    figures = [_cell(cell, column, result) for cell, column in zip(others, named, strict=True)]
    return f"|{'|'.join([first, *figures])}|\n"


def _cell(cell: str, column: str, result: Result | None) -> str:
    if column == "cited":
        return cell
    end = next((end for end in ("low", "high") if column.startswith(f"{end} of ")), "value")
    return NUMBER.sub(lambda found: _figure(found[0], result, end, column.removeprefix(f"{end} of ")), cell, count=1)


def _figure(written: str, result: Result | None, end: str, row: str) -> str:
    """Give an end of the row that is called so, to as many places as are written."""
    name = re.compile(".*".join(map(re.escape, row.split("*"))))
    called = [one for one in result.rows if name.fullmatch(one.name)] if result else []
    value = getattr(called[0], end) if len(called) == 1 else None
    if not written or value is None:
        raise ValueError(f"{row!r}: no figure stands there, or no row, or more than one, has that name and a {end}")
    shown = f"{value:,.{len(written.partition('.')[2])}f}"
    return shown.removeprefix("0") if written.startswith(".") else shown
