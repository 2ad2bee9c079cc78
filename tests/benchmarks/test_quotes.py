"""What pages say of results is what the results say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import HERE, harness, records
from benchmarks.quotes import requoted, unquoted
from benchmarks.records import Row

RESULTS = records.results()
PAGES = [pytest.param(page, id=str(page.relative_to(HERE.parent))) for page in harness.pages()]
MEASURED = re.compile(r"(?<![\w.])-?\d*\.\d+|\d (?:s|seconds|min|minutes|MB|GB|times)\b")


@pytest.fixture
def known():
    rows = [
        Row("F1, test, lattice", 93.976, "", None, 93.66, 94.4),
        Row("F1, test, words", 0.9139, "", None, 0.91, 0.92),
        Row("speed, the best of torch", 1234.5, "times"),
        Row("loss", -1.26, ""),
    ]
    return {"ner": records.make_result("ner", "Taggers", "python -m benchmarks.ner", rows, threads=1)}


def measured(text: str) -> list[str]:
    """What looks like a figure in a page and is neither quoted, nor cited, nor code, nor in the table of a result."""
    for written in (r"<!-- begin (\S+) -->.*?<!-- end \1 -->", r"^\s*```.*?^\s*```", r"`[^`]*`"):
        text = re.sub(written, "", text, flags=re.DOTALL | re.MULTILINE)
    return MEASURED.findall(unquoted(text))


def test_quotations_in_prose_keep_their_places_and_what_is_around_them(known):
    marks = [f"<!-- {what} of ner: {row} -->" for what, row in (("value", "F1, test, lattice"), ("low", "F1, *words"))]
    others = ["<!-- value of ner: speed, * -->", "<!-- value of ner: loss -->"]
    page = "It has {}{}, at least {}{}; {}{} times, {}{}.\nAnd 1.0.\n"
    old = page.format(marks[0], "1.00", marks[1], ".0", others[0], "1", others[1], "0.0")
    new = page.format(marks[0], "93.98", marks[1], ".9", others[0], "1,234", others[1], "-1.3")
    assert requoted(old, known) == new
    assert requoted(new, known) == new


def test_quotations_in_tables_are_of_the_rows_that_their_lines_and_columns_name(known):
    page = (
        "before\n<!-- columns of ner: F1, test, {{}} | low of F1, test, {{}} | cited -->\n"
        "| | F1 | low | 1.0 |\n|:--|--:|--:|--:|\n"
        "| lattice | {} points of 7 | {} | 94.46 |\n| words | | {} | |\n\n| no | 1.0 |\n"
    )
    assert requoted(page.format("0.0", "1", "0.000"), known) == page.format("94.0", "94", "0.910")


@pytest.mark.parametrize(
    "page, message",
    [
        ("a <!-- value of ner: F1, test, flat -->1.0", "'F1, test, flat'"),
        ("a <!-- value of ner: F1, * -->1.0", "more than one"),
        ("a <!-- value of parsing: loss -->1.0", "'loss'"),
        ("a <!-- low of ner: loss -->1.0", "low"),
        ("a <!-- value of ner: loss --> 1.0", "no figure"),
        ("<!-- columns of ner: {} -->\n| | |\n|--|--|\n| loss | 1.0 | 2.0 |\n", "has not the columns"),
        ("<!-- columns of ner: {} -->\n| | |\n|--|--|\n| gain | 1.0 |\n", "'gain'"),
    ],
)
def test_a_quotation_of_nothing_is_an_error(known, page, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        requoted(page, known)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_quotes_its_results_as_they_are(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert requoted(text, RESULTS) == text, "python -m benchmarks.harness render"
    assert text.count("<!-- columns of ") == len(re.findall(r"<!-- columns of .*\n\|", text))
    for name in re.findall(r"<!-- (?:value|low|high|columns) of ([\w-]+):", text):
        assert RESULTS[name].command.partition(" --")[0] in text


@pytest.mark.parametrize("page", PAGES)
def test_no_line_begins_with_a_quotation_for_it_would_end_the_paragraph(page: Path) -> None:
    assert not re.findall(r"^\s*<!-- (?:value|low|high|cited)\b.*", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_figures_of_benchmarks_and_examples_are_quoted_or_cited(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.parent != HERE:
        text = "".join(
            re.findall(r"^## (?:Benchmark|Example on real data)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        )
    assert measured(text) == []


def test_a_figure_that_is_not_quoted_is_noticed() -> None:
    assert measured("of <!-- value of ner: loss -->1.0 and <!-- cited -->2.0 and `3.0`, 4.0 in 5 min") == [
        "4.0",
        "5 min",
    ]
