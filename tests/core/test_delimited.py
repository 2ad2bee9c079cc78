"""Rows of comma-separated files are those of the standard library's reader, each with its line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core.delimited import numbered_rows
from latticework.core.errors import InputError

CELLS = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_rows_written_come_back_with_the_line_where_each_starts(rows: list[list[str]], delimiter: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    text = stream.getvalue()
    lines = text.split("\n")[:-1]
    found = list(numbered_rows(lines, "some.csv", delimiter=delimiter))
    assert [row for _, row in found] == rows
    ends = [number for number, _ in found[1:]] + [len(lines) + 1]
    for (number, row), end in zip(found, ends, strict=True):
        assert end - number == 1 + sum(cell.count("\n") for cell in row)


@pytest.mark.parametrize(
    "lines, place",
    [(['"open'], "some.csv:1"), (["fine", '"open', "still"], "some.csv:2"), (['"a" b,c'], "some.csv:1")],
)
def test_a_quotation_mark_out_of_place_is_named_with_its_line(lines: list[str], place: str) -> None:
    with pytest.raises(InputError, match=f"{place}: .*is a quotation mark not closed"):
        list(numbered_rows(lines, "some.csv"))


def test_lines_that_end_in_a_carriage_return_alone_are_told_as_such() -> None:
    with pytest.raises(InputError, match=r"^some\.csv:2: the line holds a CR, .*: save the file with line ends"):
        list(numbered_rows(["a,b", "1,2\r3,4"], "some.csv"))
