"""Run the Python and shell blocks of a section: `python tests/snippets.py PAGE [TITLE]`, in an empty folder only."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RUN = {"python", "bash", "console"}
SHOWN = {"", "text", "json", "toml", "yaml", "html"}
FENCE = re.compile(r"(?P<indent>\s*)```(?P<language>[^\s`]*)")
OTHER_FENCE = re.compile(
    r"~~~|````|(?:(?:>|(?:[*+-]|\d+[.)])\s)\s*)+(```|~~~)"
)  # which is no fence of ours, but one to those who read
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
        assert not OTHER_FENCE.match(lines[number].lstrip()), (
            f"line {number + 1}: begin and end blocks by three backticks"
        )
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
        exec(compile("\n" * (block.line - 1) + block.code, page, "exec", dont_inherit=True), namespace)  # noqa: S102


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


def sections_of(text: str) -> dict[str, str]:
    """Cut a page at its headings of the second level; blank lines are for what is above, so that line numbers hold."""
    title, fenced = "", False
    sections: dict[str, list[str]] = {title: []}
    for number, line in enumerate(text.splitlines()):
        fenced ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not fenced:
            title = line.removeprefix("## ")
            assert title not in sections, f"line {number + 1}: there is a section {title!r} already"
            sections[title] = [""] * number
        sections[title].append(line)
    return {title: "".join(f"{line}\n" for line in lines) for title, lines in sections.items()}


def main(page: str, title: str = "") -> None:
    if os.listdir():
        sys.exit(
            f"{os.getcwd()} is not empty: blocks write files, go to a folder that is, and name the page from there"
        )
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(sections_of(Path(page).read_text(encoding="utf-8"))[title]):
        if block.language == "python":
            run_python(block, page, namespace)
        else:
            run_shell(block, page)


if __name__ == "__main__":
    main(*sys.argv[1:])
