"""Text for a terminal: safe, measured as terminals do, in columns that line up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from latticework.core.terminal import columns, printable, table_lines

HEADER = ("one", "two", "three")
CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(st.text())
def test_printable_text_is_one_line_without_controls(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown.splitlines() in ([], [shown])
    assert printable(shown) == shown


def test_width_counts_what_a_terminal_shows() -> None:
    assert columns("cafe\u0301") == 4
    assert columns("重庆") == 4
    assert columns("") == 0


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5), st.integers(0, 3))
def test_columns_line_up_whatever_is_in_them(rows: list[list[str]], texts: int) -> None:
    lines = table_lines(HEADER, rows, texts=texts)
    widths = [max(columns(printable(cell)) for cell in column) for column in zip(HEADER, *rows, strict=True)]
    assert len(lines) == 1 + len(rows)
    for row, line in zip(rows, lines[1:], strict=True):
        expected = [
            printable(cell) + " " * (width - columns(printable(cell)))
            if place < texts
            else " " * (width - columns(printable(cell))) + printable(cell)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        assert line == "  ".join(expected).rstrip()


def test_the_name_of_a_group_stands_on_a_row_of_its_own() -> None:
    assert table_lines(["", "F1"], [["all", "0.5"], ["type"], ["  LOC", "0.25"]]) == [
        "         F1",
        "all     0.5",
        "type",
        "  LOC  0.25",
    ]
