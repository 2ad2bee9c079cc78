"""Warnings of parts, each thing once where there are many."""

from __future__ import annotations

import warnings

import pytest

from latticework.anomaly.warned import noted, once, warn


def said(caught):
    return [str(warning.message) for warning in caught]


def test_of_one_part_it_is_said_at_once_and_where():
    with pytest.warns(UserWarning, match="^a: odd$") as caught:
        warn("a", "odd")
    assert caught[0].filename == __file__


@once()
def work_on(parts):
    for part in parts:
        warn(part, "odd")
    warn(parts[-1], "dark")


def test_of_many_each_thing_is_said_once_and_how_often():
    with pytest.warns(UserWarning, match="odd|dark") as caught:
        work_on(["a", "b", "c"])
    assert said(caught) == ["a: odd", "c: dark", "2 more parts: odd"]
    with pytest.warns(UserWarning, match="d: "):  # another run
        work_on(["d"])


def test_what_is_noted_is_not_said_and_may_be_said_later():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with once(), noted() as notes:
            warn("a", "odd")
    with pytest.warns(UserWarning, match="^a: odd$"):
        warn(*notes[0])


def test_nothing_is_noted_once_the_context_is_left():
    with pytest.raises(KeyError), noted():
        raise KeyError
    with pytest.warns(UserWarning, match="a: odd"):
        warn("a", "odd")
