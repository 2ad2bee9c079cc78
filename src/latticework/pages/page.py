"""One self-contained HTML page: no network, no script, every text escaped; light, dark, narrow, wide and on paper."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from importlib import resources
from os import PathLike
from typing import Any

from latticework.core.errors import InputError, require
from latticework.core.files import write_output
from latticework.core.terminal import columns
from latticework.pages import svg
from latticework.pages.passage import Passages
from latticework.pages.picture import Picture
from latticework.pages.text import is_number, printable, show
from latticework.pages.theme import DARK, LIGHT

LONG_CELL = 24  # columns of text: from here on a cell gets room for more than its longest word, however narrow the page


@dataclass(frozen=True)
class Table:
    """A table; numbers are set to the right, with four significant digits, or all those before the point.

    Parameters
    ----------
    header : Sequence[str]
        Names of the columns.
    rows : Sequence[Sequence[object]]
        Cells, row by row: text, numbers, or None for an empty one.
    caption : str
        What the table shows; stands above it.

    Raises
    ------
    InputError
        If a row has not as many cells as the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise InputError(
                    f"Row {index} of the table {self.caption!r} has {len(row)} cells, its header {len(self.header)}."
                )


@dataclass(frozen=True)
class Formula:
    """A line of a chain of equalities: `left = right`, and why.

    Parameters
    ----------
    left, right : str
        MathML, trusted as it is: let only a writer of ours put a user's text into it. With an empty `left` the line
        goes on from the one before.
    reason : str
        Plain text.
    notes : Sequence[str]
        More of the reason as MathML.
    """

    left: str
    right: str
    reason: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Formulas:
    """Formulas below each other, their equality signs aligned.

    Parameters
    ----------
    lines : Sequence[Formula]
        From top to bottom.
    caption : str
        What they are; stands above them.
    lead : str
        A sentence below the caption.
    """

    lines: Sequence[Formula]
    caption: str
    lead: str = ""


@dataclass(frozen=True)
class Code:
    """Lines of a program, shown as they are."""

    text: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of a page, shown in the order of the parameters.

    Parameters
    ----------
    title : str
        The heading.
    summary : str
        What to take away, in a sentence or two.
    facts : Sequence[tuple[str, object]]
        The figures that matter, as `(label, value)`: two to six, large.
    paragraphs : Sequence[str]
        Plain text.
    passages : Sequence[Passages]
        Texts with marked spans.
    pictures : Sequence[Picture]
        From `line_plot` and `heat_map`.
    formulas : Sequence[Formulas]
        Derivations.
    tables : Sequence[Table]
        Examples, comparisons.
    code : Sequence[Code]
        Programs.
    """

    title: str
    summary: str
    _: KW_ONLY
    facts: Sequence[tuple[str, object]] = ()
    paragraphs: Sequence[str] = ()
    passages: Sequence[Passages] = ()
    pictures: Sequence[Picture] = ()
    formulas: Sequence[Formulas] = ()
    tables: Sequence[Table] = ()
    code: Sequence[Code] = ()


@dataclass(frozen=True)
class Page:
    """A page.

    Parameters
    ----------
    title : str
        Heading, and title of the browser's window.
    intro : str
        What the page is, in a sentence or two.
    sections : Sequence[Section]
        Its parts; from two on, a table of contents lists them.

    Examples
    --------
    >>> page = Page("Spelled-out numbers", "A model learns to count.", [Section("Result", "98 % right.")])
    >>> "<h1>Spelled-out numbers</h1>" in page.html()
    True
    """

    title: str
    intro: str
    sections: Sequence[Section]

    def html(self) -> str:
        """Give the page as text: the same for the same contents.

        Raises
        ------
        MissingExtraError
            Without Jinja2.
        """
        jinja2 = require("jinja2", extra="pages", purpose="writing HTML pages")
        safe = require("markupsafe", extra="pages", purpose="writing HTML pages").Markup
        environment = jinja2.Environment(
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=lambda value: (
                printable(value) if isinstance(value, str) and not isinstance(value, safe) else value
            ),
        )
        environment.filters["show"] = show
        environment.filters["numeric"] = _numeric
        environment.tests["a_number"] = is_number
        environment.tests["long"] = lambda value: columns(show(value)) > LONG_CELL
        numbers = itertools.count(1)

        def drawn(picture: Picture) -> Any:
            return safe(svg.inline(picture.svg, prefix=f"picture-{next(numbers)}-", title=printable(picture.alt)))

        environment.filters["drawn"] = drawn
        environment.filters["trusted"] = safe
        environment.filters["width"] = lambda picture: svg.width_of(picture.svg)
        template = environment.from_string(_file("page.html"))
        style = safe(_file("page.css"))
        return str(template.render(page=self, light=LIGHT, dark=DARK, style=style))

    def write(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, as a whole or not at all; compressed if its name ends in .gz.

        Raises
        ------
        MissingExtraError
            Without Jinja2.
        """
        write_output(path, self.html().encode())


def _numeric(table: Table) -> list[bool]:
    """Whether each column holds numbers and nothing else, but for empty cells."""
    filled = [[row[index] for row in table.rows if row[index] is not None] for index in range(len(table.header))]
    return [bool(cells) and all(map(is_number, cells)) for cells in filled]


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
