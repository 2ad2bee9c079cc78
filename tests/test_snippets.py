"""Every Python and shell block of the README and the documentation runs.

Blocks of a section (`##`) run in order, in one folder, and its Python blocks share one namespace; each section has a
process of its own. What a `console` block shows below its commands is all that they print. A block is left out only by
a comment on the line above it, which gives the reason: `<!-- not run: ... -->`. Where another machine may print other
words, below `<!-- varies: ... -->`, as many lines are expected as are shown.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import snippets
from snippets import Block, blocks_of, run_python, run_shell, sections_of

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])


def runs(text: str) -> bool:
    """Whether there is a block to run, or one that is refused."""
    try:
        return bool(blocks_of(text))
    except AssertionError:
        return True


SECTIONS = [
    pytest.param(page, title, id=f"{page.relative_to(ROOT)}: {title}")
    for page in PAGES
    for title, text in sections_of(page.read_text(encoding="utf-8")).items()
    if runs(text)
]


def run_section(page: Path, title: str, folder: Path) -> None:
    assert blocks_of(sections_of(page.read_text(encoding="utf-8"))[title]), "there is no block to run"
    command = [sys.executable, "-W", "error", snippets.__file__, str(page), title]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page, title", SECTIONS)
def test_every_block_of_a_section_runs(page: Path, title: str, tmp_path: Path) -> None:
    run_section(page, title, tmp_path)


def test_sections_share_nothing_and_their_lines_keep_their_numbers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    two, three = "## Two\n```python\nx = 1\n```\n", "## Three\n```python\nx\n```\n"
    page.write_text(f"# Page\n## One\n```bash\n## no heading\n```\n{two}{three}")
    sections = sections_of(page.read_text())
    assert list(sections) == ["", "One", "Two", "Three"]
    assert blocks_of(sections["Three"]) == [Block("python", 12, "x\n")]
    folder = tmp_path / "empty"
    folder.mkdir()
    run_section(page, "Two", folder)
    with pytest.raises(AssertionError, match=r"page.md\", line 12(?s:.*)NameError"):
        run_section(page, "Three", folder)


def test_blocks_share_names_and_a_reason_is_needed_to_leave_one_out() -> None:
    skipped = "<!-- not run: a reason -->\n```bash\nfalse\n```\n"
    without_reason = "<!-- not run: -->\n```bash\ntrue\n```\n"
    text = "```python\nx = 1\n```\n" + skipped + without_reason
    assert blocks_of(text) == [Block("python", 2, "x = 1\n"), Block("bash", 10, "true\n")]
    (block,) = blocks_of("<!-- varies: by machine -->\n```console\n$ echo 1\n1\n```\n")
    assert block.varies


def test_a_section_of_which_nothing_runs_does_not_pass(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("## One\n```text\nx\n```\n")
    assert not runs(page.read_text())
    with pytest.raises(AssertionError, match="no block to run"):
        run_section(page, "One", tmp_path)
    titles = {(page.name, title) for page, title in (parameters.values for parameters in SECTIONS)}
    assert ("CONTRIBUTING.md", "Damaged files") not in titles
    assert ("README.md", "Derive a gradient") in titles


@pytest.mark.parametrize("language", ["py", "{.python}", "{python}"])
def test_a_block_in_an_unknown_language_is_refused(language: str) -> None:
    text = f"```{language}\nx\n```\n"
    with pytest.raises(AssertionError, match=rf"unknown language '{re.escape(language)}'"):
        blocks_of(text)
    assert runs(text), "its section is among those that are run, and fails"


@pytest.mark.parametrize("text", ["~~~python\nx\n~~~\n", "````python\nx\n````\n", "- ```python\n  x\n  ```\n"])
def test_another_kind_of_fence_is_refused(text: str) -> None:
    with pytest.raises(AssertionError, match="three backticks"):
        blocks_of(f"Words.\n\n{text}")


def test_a_block_has_no_future_of_ours() -> None:
    with pytest.raises(NameError, match="Nowhere"):
        run_python(Block("python", 1, "def f(x: Nowhere) -> None: ...\n"), "page.md", {})


def test_a_failing_block_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exit status 3"):
        run_shell(Block("console", 1, "$ exit 3\nwhat it prints\n"), "page.md")
    run_shell(Block("console", 1, "$ printf 'one\\n\\ntwo'\none\n\ntwo\n"), "page.md")
    with pytest.raises(AssertionError, match="it prints"):
        run_shell(Block("console", 1, "$ echo one\ntwo\n"), "page.md")
    run_shell(Block("console", 1, "$ echo one\ntwo\n", varies=True), "page.md")
    with pytest.raises(AssertionError, match="it prints"):
        run_shell(Block("console", 1, "$ echo one\ntwo\nthree\n", varies=True), "page.md")
    with pytest.raises(AssertionError, match="Expected"):
        run_python(Block("python", 1, ">>> 1 + 1\n3\n"), "page.md", {})
    with pytest.raises(ZeroDivisionError):
        run_python(Block("python", 1, "1 / 0\n"), "page.md", {})
