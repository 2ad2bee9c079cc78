"""Which commit has the code that is measured, and which one trained a saved model."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks import HERE

NO_COMMIT = "a commit that has what was measured"
NOTE = "trained.txt"  # in the folder of a model: the commit that trained it


def commit_measured() -> str:
    """The commit since this module was imported; both if it has changed, and with it what was measured."""
    now = _commit()
    return now if now == _BEGUN else f"{_BEGUN} to {now}"


def uncommitted(commit: str | None = None) -> list[str]:
    """What a record of a tree that no commit has would lack; it is told before anything is measured."""
    commit = commit or commit_measured()
    if is_one_commit(commit):
        return []
    reason = "the tree has changes that are not committed" if commit.endswith("-dirty") else f"the commit is {commit}"
    print(f"Nothing will be recorded, for {reason}.", file=sys.stderr)
    return [NO_COMMIT]


def is_one_commit(commit: str) -> bool:
    """Whether a commit has all of the code."""
    return re.fullmatch("[0-9a-f]+", commit) is not None


def note_commit(model: Path) -> None:
    """Leave a note of the commit that trained a saved model in its folder."""
    (model / NOTE).write_text(commit_measured(), encoding="utf-8")


def identity(model: Path) -> str:
    """Which model a saved one is: the beginning of a hash of its tensors, and the commit that trained it."""
    tensors = json.loads((model / "config.json").read_text(encoding="utf-8"))["tensors"]
    digests = "".join(tensors[group]["sha256"] for group in sorted(tensors))
    note = model / NOTE
    commit = f"commit {note.read_text(encoding='utf-8')}" if note.exists() else "a commit that nobody noted"
    return f"tensors {hashlib.sha256(digests.encode()).hexdigest()[:12]}, trained by {commit}"


def _commit() -> str:
    """The commit that is measured; what benchmarks write themselves makes no other of it.

    It is not known if the package that is imported is not that of this checkout.
    """
    package = find_spec("latticework")
    if package is None or not Path(package.origin or "").resolve().is_relative_to(HERE.parent / "src"):
        return "unknown"

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(HERE), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("describe", "--always", "--abbrev=12", "--exclude=*")
    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude)results", ":(exclude)README.md"
    )
    return f"{commit}-dirty" if changed else commit or "unknown"


_BEGUN = _commit()  # a benchmark runs for hours
