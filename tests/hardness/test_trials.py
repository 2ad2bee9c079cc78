"""What judges the trials is judged: a hang, a crash and a kill by others are not what was asked for."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hardness import __main__ as campaign
from hardness import trial, trials

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the trials end soon, whatever they lock


@dataclass
class Acting:
    """Stands for a setting whose command is a function."""

    place: Path
    act: Callable[[], int]
    name: str = "acting"
    operations: list[list[str]] = field(default_factory=lambda: [["open", "a"]])
    whole: tuple[None, dict[str, bytes]] = (None, {"a": b"whole"})

    def words(self, to: str = "") -> Callable[[], int]:
        return self.act

    def begin(self) -> None:
        trial.fresh(self.place)

    def damage(self) -> list[str]:
        return []

    def repeated(self) -> list[str]:
        return []


def writes() -> int:
    Path("a").write_bytes(b"whole")
    return 0


def writes_half() -> int:
    Path("a").write_bytes(b"wh")
    return 0


def hangs() -> int:
    time.sleep(60)
    return 0


def crashes() -> int:
    raise RuntimeError("for the user to see")


def is_killed_by_others() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def complaints_of(found: object) -> list[str]:
    ((_, complaints),) = found
    return complaints


def test_only_the_kill_that_was_asked_for_is_one(tmp_path, monkeypatch):
    assert complaints_of(trials.kills(Acting(tmp_path / "a", writes), [1])) == []
    monkeypatch.setattr(trial, "SECONDS", 0.5)
    for act, told in (
        (hangs, "within 0 s it did not end"),
        (is_killed_by_others, "it ended with -9"),
        (crashes, "it ended with 99"),
        (lambda: 0, "it ended with 0"),
    ):
        (complaint,) = complaints_of(trials.kills(Acting(tmp_path / "a", act), [1]))
        assert told in complaint


def test_a_process_that_a_full_disk_kills_neither_hangs_nor_crashes(tmp_path, monkeypatch):
    assert complaints_of(trials.full(Acting(tmp_path / "a", writes), [2], deadly=True)) == []
    assert complaints_of(trials.full(Acting(tmp_path / "a", writes), [5], deadly=True)) == []
    monkeypatch.setattr(trial, "SECONDS", 0.5)
    for act, told in (
        (hangs, "within 0 s it did not end"),
        (crashes, "for the user to see"),
        (writes_half, "a differs"),
        (is_killed_by_others, "it ended with -9"),
    ):
        for deadly in (False, True):
            (complaint,) = complaints_of(trials.full(Acting(tmp_path / "a", act), [2], deadly=deadly))
            assert told in complaint


def test_a_process_that_outlives_its_parent_holds_nothing_up(tmp_path, monkeypatch):
    ours, theirs = socket.socketpair()

    def leaves_another() -> int:
        if os.fork() == 0:
            ours.close()
            select.select([theirs], [], [], 20)  # until we have seen that it is there; if it is waited for, until later
            os._exit(0)
        return 0

    monkeypatch.setattr(trial, "SECONDS", 0.2)
    with ours:
        with theirs:
            assert trial.run(leaves_another, tmp_path).late
        gone, _, _ = select.select([ours], [], [], 0)
    assert not gone


@pytest.mark.parametrize(
    "options, told",
    [(["--only", "nonsense"], "no such command; there are "), (["--points", "0"], "1 or more")],
)
def test_a_campaign_that_would_try_nothing_is_refused(options, told, monkeypatch, capsys):
    monkeypatch.setattr(campaign, "prepared", lambda root: pytest.fail("it is begun"))
    monkeypatch.setattr(sys, "argv", ["hardness", *options])
    with pytest.raises(SystemExit, match="2"):
        campaign.main()
    assert told in capsys.readouterr().err


def test_a_trial_that_tries_nothing_is_a_failure(tmp_path, monkeypatch, capsys):
    setting = Acting(tmp_path / "a", writes, operations=[])
    monkeypatch.setattr(campaign, "prepared", lambda root: None)
    monkeypatch.setattr(trials, "settings", lambda command, root: [setting])
    monkeypatch.setattr(trials, "full", lambda *_, **__: [])
    monkeypatch.setattr(trials, "nowhere", lambda *_: [])
    for what, status, told in (("kills", 1, "no operation"), ("full", 1, "NOT TRIED"), ("nowhere", 0, "nowhere ")):
        words = ["hardness", "--only", "tour", "--trial", what, "--folder", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", words)
        monkeypatch.setattr(setting, "largest", 5, raising=False)
        assert campaign.main() == status
        assert told in capsys.readouterr().out
