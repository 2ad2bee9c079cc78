"""Pages say what the results on record say.

`python -m benchmarks.harness render` writes the tables of all results into `README.md`, and into the project's pages
what they quote.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks import HERE
from benchmarks.quotes import requoted
from benchmarks.records import Result, results, table


def pages(folder: Path = HERE) -> list[Path]:
    """List the pages that quote results: `README.md` here, the project's, and its documentation."""
    return [folder / "README.md", *folder.parent.glob("README.md"), *sorted(folder.parent.glob("docs/**/*.md"))]


def render(folder: Path = HERE) -> None:
    """Put the table of every result between its markers in `README.md`, and what pages quote where they quote it."""
    known = results(folder)
    texts = {page: page.read_text(encoding="utf-8") for page in pages(folder)}
    texts[folder / "README.md"] = with_tables(texts[folder / "README.md"], known)
    for page, text in {page: requoted(text, known) for page, text in texts.items()}.items():
        page.write_text(text, encoding="utf-8")


def with_tables(text: str, known: Mapping[str, Result]) -> str:
    """Put tables between their markers in the text of a page; a ValueError names a result that has none."""
    for name, result in known.items():
        begin, end = (f"<!-- {word} {name} -->" for word in ("begin", "end"))
        found = re.findall(f"{re.escape(begin)}.*?{re.escape(end)}", text, flags=re.DOTALL)
        if len(found) != 1:
            raise ValueError(f"the page needs {begin} and {end} once")
        text = text.replace(found[0], f"{begin}\n{table(result)}\n{end}")
    return text


if __name__ == "__main__":
    render() if sys.argv[1:] == ["render"] else sys.exit("usage: python -m benchmarks.harness render")
