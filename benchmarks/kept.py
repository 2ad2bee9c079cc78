"""What the parts of a long benchmark found, kept: stopped and given again, it measures what is missing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import commits, measuring


@dataclass(frozen=True)
class Kept:
    """A folder, nowhere if None, and what a part must share with one that was measured before to stand for it.

    `threads` of each part and `jobs` side by side decide its times, `commit` all of it. What a tree found that no one
    commit has is measured again.
    """

    folder: Path | None
    commit: str
    threads: int
    jobs: int

    @classmethod
    def begun(cls, folder: Path | None, threads: int, jobs: int) -> Kept:
        """By the code as it is now; the folder is made, and it is told if nothing will be recorded."""
        commit = commits.commit_measured()
        commits.uncommitted(commit)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, commit, threads, jobs)

    def run(self, name: str, command: measuring.Command, env: measuring.Env, timeout: float) -> measuring.Measured:
        """Measure a command as `measuring.run_measured`, unless that was done; `name` is no other part's."""
        words = tuple(map(str, command))

        def measure() -> dict[str, Any]:
            found = measuring.run_measured(command, env, timeout)
            print(f"{name}: {found.output}", file=sys.stderr, flush=True)
            return {key: value for key, value in asdict(found).items() if key != "command"}

        return measuring.Measured(words, **self.found(name, {"command": list(words)}, measure))

    def found(self, name: str, of: Mapping[str, Any], find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `find` gives, values that JSON holds, unless that was done `of` the same; `name` is no other part's."""
        made = {"commit": self.commit, "threads": self.threads, "jobs": self.jobs, **of}
        file = None if self.folder is None else self.folder / f"{name.replace('/', '-')}.json"
        if file is not None and file.exists() and commits.is_one_commit(self.commit):
            before = json.loads(file.read_text(encoding="utf-8"))
            if before.get("made") == made:
                kept: dict[str, Any] = before["found"]
                return kept
        found = find()
        if file is not None:
            whole = {"made": made | {"commit": commits.commit_measured()}, "found": found}
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(whole), encoding="utf-8")
            os.replace(partial, file)
        return found
