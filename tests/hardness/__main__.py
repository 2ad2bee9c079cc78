"""Try what can happen to commands while they write; tell what goes wrong.

`python -m tests.hardness --all` kills every command before each of its operations, lets each find the disk full at
many sizes, and tells each to write where nothing can be written. It takes hours; `--only NAME` tries those whose
names begin so. Without `--all` it is a few moments and sizes, as the tests try them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from hardness import inputs, trials  # noqa: E402
from hardness.commands import COMMANDS, OFTEN, folder_of_inputs  # noqa: E402
from hardness.judging import differences, digests, tree  # noqa: E402
from hardness.trial import run  # noqa: E402
from hardness.trials import Setting  # noqa: E402

TRIALS = ("kills", "full", "nowhere")


def prepared(root: Path) -> None:
    """Make the inputs, unless they are there."""
    inputs.shrink()
    for heavy in ("lightning_fabric", "arviz", "nibabel", "nilearn.surface", "matplotlib.pyplot", "sacrebleu"):
        importlib.import_module(heavy)  # here, and not in every fork
    folder = folder_of_inputs(root)
    if not folder.exists():
        inputs.write_files(folder)
        ended = run(inputs.make, folder)
        if ended.status:
            raise SystemExit(ended.err)


def few(count: int, number: int) -> list[int]:
    """So many of the first numbers, among them 1 and the last, evenly spread."""
    number = min(number, count)
    return sorted({1 + round(step * (count - 1) / max(1, number - 1)) for step in range(number)})


def tried(setting: Setting, what: str, points: int) -> Iterator[tuple[str, list[str]]]:
    if what == "kills":
        moments = few(len(setting.operations), points)
        yield from trials.kills(setting, moments) if moments else [(setting.name, ["no operation of it was noted"])]
        sizes = few(setting.largest, max(1, points // 4))
        yield from trials.full(setting, [size - 1 for size in sizes], deadly=True)
    elif what == "full":
        yield from trials.full(setting, [size - 1 for size in few(setting.largest, max(2, points // 4))])
    else:
        yield from trials.nowhere(setting)


def told(root: Path, *, suite: bool) -> dict[str, Any]:
    """What every command writes, by checksums; with a few trials of some commands, and what went wrong in them."""
    found: dict[str, Any] = {"digests": {}, "tried": dict.fromkeys(TRIALS, 0), "wrong": {what: [] for what in TRIALS}}
    inputs_before = tree(folder_of_inputs(root))
    for number, command in enumerate(COMMANDS):
        kinds = trials.settings(command, root)
        found["digests"][command.name] = digests(kinds[0].whole[1], root)
        if not suite or command.name not in OFTEN:
            continue
        setting = kinds[-1]
        moment = 1 + (7 * number) % len(setting.operations)
        for what, cases in (
            ("kills", trials.kills(setting, [moment])),
            ("full", trials.full(setting, [setting.largest // 2], again=False)),
            ("nowhere", trials.nowhere(setting, trials.NOWHERE[:2])),
        ):
            for case, complaints in cases:
                found["tried"][what] += 1
                found["wrong"][what] += [f"{case}: {one}" for one in complaints]
    found["inputs"] = differences(tree(folder_of_inputs(root)), inputs_before)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hardness", description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="before each operation")
    parser.add_argument("--points", type=int, default=3, help="operations of each command")
    parser.add_argument("--only", action="append", help="the start of some names; may be repeated")
    parser.add_argument("--trial", action="append", choices=TRIALS)
    parser.add_argument("--folder", type=Path, help="where to work; a new temporary one if not given")
    parser.add_argument("--told", choices=["digests", "suite"], help="print JSON, for the tests")
    given = parser.parse_args()
    chosen = [one for one in COMMANDS if not given.only or any(map(one.name.startswith, given.only))]
    if not chosen:
        parser.error(f"no such command; there are {', '.join(command.name for command in COMMANDS)}")
    if given.points < 1:
        parser.error("--points must be 1 or more")
    root = (given.folder or Path(tempfile.mkdtemp(prefix="hardness-"))).absolute()
    prepared(root)
    if given.told:
        print(json.dumps(told(root, suite=given.told == "suite")))
        return 0
    failed = 0
    for command in chosen:
        for setting in trials.settings(command, root):
            for what in given.trial or TRIALS:
                begun, count = time.monotonic(), 0
                for case, complaints in tried(setting, what, 10**9 if given.all else given.points):
                    count += 1
                    failed += bool(complaints)
                    for one in complaints:
                        print(f"    {case}: {one}", flush=True)
                # of commands that write only in place nothing is told to be written elsewhere
                untried = not count and not (what == "nowhere" and setting.words("to/") == setting.words())
                failed += untried
                took = f"in {time.monotonic() - begun:5.1f} s{'  NOT TRIED' * untried}"
                print(f"{setting.name:30} {what:8} {count:4} {took}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # here alone: what imports this for a test goes on to keep what it compiles
    sys.exit(main())
