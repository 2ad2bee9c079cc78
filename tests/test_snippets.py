"""Every Python and shell block of the README and the documentation runs.

Blocks of a page run in order, in one folder, and its Python blocks share one namespace. What a `console` block shows
below its commands is all that they print. A block is left out only by a comment on the line above it, which gives the
reason: `<!-- not run: ... -->`. Where another machine may print other words, below `<!-- varies: ... -->`, as many
lines are expected as are shown.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
RUN = {"python", "bash", "console"}
SHOWN = {"", "text", "json", "toml", "yaml", "html"}
FENCE = re.compile(r"(?P<indent>\s*)```(?P<language>[^\s`{]*)")
NOT_RUN = re.compile(r"\s*<!-- not run: \S.* -->")
VARIES = re.compile(r"\s*<!-- varies: \S.* -->")


@dataclass(frozen=True)
class Block:
    language: str
    line: int
    code: str
    varies: bool = False


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks that are to be run."""
    lines = text.splitlines()
    blocks, number = [], 0
    while number < len(lines):
        fence = FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        start = number
        number = next(i for i in range(start + 1, len(lines)) if lines[i].strip() == "```") + 1
        language = fence["language"]
        assert language in RUN | SHOWN, f"line {start + 1}: unknown language {language!r}, so nobody would run it"
        above = next((line for line in reversed(lines[:start]) if line.strip()), "")
        if language in RUN and not NOT_RUN.fullmatch(above):
            code = [line.removeprefix(fence["indent"]) for line in lines[start + 1 : number - 1]]
            varies = VARIES.fullmatch(above) is not None
            blocks.append(Block(language, start + 2, "\n".join(code) + "\n", varies))
    return blocks


def run_python(block: Block, page: str, namespace: dict[str, object]) -> None:
    if block.code.startswith(">>> "):
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        example = doctest.DocTestParser().get_doctest(block.code, namespace, page, page, block.line - 1)
        example.globs = namespace
        report: list[str] = []
        doctest.DocTestRunner(optionflags=options).run(example, out=report.append, clear_globs=False)
        assert not report, "".join(report)
    else:
        exec(compile("\n" * (block.line - 1) + block.code, page, "exec"), namespace)  # noqa: S102


def run_shell(block: Block, page: str) -> None:
    commands, shown = block.code, None
    if block.language == "console":
        typed = [line for line in commands.splitlines() if line.startswith(("$ ", "> "))]
        shown = [line for line in commands.splitlines() if line not in typed]
        commands = "\n".join(line[2:] for line in typed)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{page}:{block.line}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    printed = done.stdout.splitlines()
    as_shown = shown is None or (len(shown) == len(printed) if block.varies else shown == printed)
    assert as_shown, f"{page}:{block.line}: it prints\n{done.stdout}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks:
        if block.language == "python":
            run_python(block, str(page), namespace)
        else:
            run_shell(block, str(page))


def test_blocks_share_names_and_a_reason_is_needed_to_leave_one_out() -> None:
    skipped = "<!-- not run: a reason -->\n```bash\nfalse\n```\n"
    without_reason = "<!-- not run: -->\n```bash\ntrue\n```\n"
    text = "```python\nx = 1\n```\n" + skipped + without_reason
    assert blocks_of(text) == [Block("python", 2, "x = 1\n"), Block("bash", 10, "true\n")]
    (block,) = blocks_of("<!-- varies: by machine -->\n```console\n$ echo 1\n1\n```\n")
    assert block.varies


def test_a_block_in_an_unknown_language_is_refused() -> None:
    with pytest.raises(AssertionError, match="unknown language 'py'"):
        blocks_of("```py\nx\n```\n")


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
