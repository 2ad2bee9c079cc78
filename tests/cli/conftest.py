"""A small capability of our own, so that the ways in are tested without any that is real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import COMMAND

from latticework.core.capability import Capability, capabilities, register

JUGGLING = '''
"""A capability of a third party: an estimator that counts balls, commands, and stops that succeed and fail."""
import errno
import os
import signal
from typing import Annotated

import numpy as np
import typer

from latticework.core.commands import Json, Seed, print_json, print_result
from latticework.core.errors import InputError, MissingExtraError
from latticework.core.estimator import Estimator
from latticework.core.files import read_lines
from latticework.core.persistence import State
from latticework.core.progress import message


class Juggler(Estimator):
    """Counts balls."""

    def __init__(self, *, hands=2, random_state=None):
        self.hands = hands
        self.random_state = random_state

    def fit(self, balls):
        self.balls_ = np.asarray(balls)
        return self

    def _about(self):
        return {"balls": len(self.balls_)}

    def to_state(self):
        return State(tensors={"weights": {"balls": self.balls_}})

    def from_state(self, state):
        self.balls_ = state.tensors["weights"]["balls"]


app = typer.Typer(help="Keep balls in the air.")


@app.command()
def throw(balls: int = 3, seed: Seed = 0, as_json: Json = False) -> None:
    """Throw."""
    message("throwing")
    print_result({"balls": balls, "seed": seed}, as_json=as_json)


@app.command()
def drop(how: str) -> object:
    """Fail in the way that is asked for."""
    if how == "input":
        raise InputError("balls.txt:3: not a ball:\\n\\x1b[31mcube")
    if how == "extra":
        raise MissingExtraError("juggling fire needs torches: pip install 'latticework[fire]'")
    if how == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if how == "full":
        raise OSError(errno.ENOSPC, "No space left on device", "balls.txt")
    if how == "status":
        raise typer.Exit(1)
    if how == "exit":
        raise SystemExit("no such ball")
    if how == "truth":
        return True
    if how == "warning":
        import warnings

        warnings.warn("one ball is\\nheavier", UserWarning, stacklevel=1)
        return
    if how == "flood":
        for number in range(100_000):
            print_json({"ball": number})
        return
    raise RuntimeError("dropped")


@app.command()
def listen() -> None:
    """Print the lines of standard input."""
    print_json(list(read_lines("-")))


def stop(seed):
    from latticework.pages import Section

    return Section("Juggling <b>", f"Seed {seed}.", facts=[("balls kept up", 3)])


def failing_stop(seed):
    raise RuntimeError("dropped <all> of them")
'''


@pytest.fixture
def juggling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the capability `juggling` in this process and in those it starts; gives the folder that holds it."""
    capabilities()  # looked up once a process: before this one is there, which is registered below
    folder = tmp_path / "site"
    (folder / "juggling_for_latticework-1.0.dist-info").mkdir(parents=True)
    information = folder / "juggling_for_latticework-1.0.dist-info"
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: juggling-for-latticework\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[latticework.capabilities]\njuggling = juggling_offer:capability\n")
    (folder / "juggling.py").write_text(JUGGLING)
    arguments = {
        "name": "juggling",
        "summary": "keep [some] balls in the air",
        "command": "juggle",
        "commands": "juggling:app",
        "estimators": ("juggling:Juggler",),
        "tour_stop": "juggling:stop",
    }
    (folder / "juggling_offer.py").write_text(
        f"from latticework.core.capability import Capability\ncapability = Capability(**{arguments!r})\n"
    )
    capabilities()  # this process looks once for what is installed: before, so that it finds this one only once
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    with register(Capability(**arguments)):
        yield folder
    sys.modules.pop("juggling", None)


@pytest.fixture
def command(juggling: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `latticework` in a process of its own."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
        return subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, env=environment, timeout=60, **options
        )

    return run
