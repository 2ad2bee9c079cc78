"""Warnings of parts, each thing once where there are many."""

from __future__ import annotations

import warnings

import pytest

from latticework.anomaly.part_warnings import noted, once, warn


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


@once()
def work_on_many(*lists):
    for parts in lists:
        work_on(parts)
    raise KeyError


def test_of_many_each_thing_is_said_once_and_how_often():
    with pytest.warns(UserWarning, match="odd|dark") as caught:
        work_on(["a", "b", "c"])
    assert said(caught) == ["a: odd", "c: dark", "2 more parts: odd"]
    assert {warning.filename for warning in caught} == {__file__}
    with pytest.warns(UserWarning, match="d: "):  # another run
        work_on(["d"])


def test_one_within_another_leaves_it_to_that_one():
    with pytest.warns(UserWarning, match="odd|dark") as caught, pytest.raises(KeyError):
        work_on_many(["a", "b"], ["c"])
    assert said(caught) == ["a: odd", "b: dark", "2 more parts: odd", "1 more part: dark"]


def test_after_an_error_it_is_said_too_how_often_and_nothing_is_kept():
    with pytest.warns(UserWarning, match="odd|dark") as caught, pytest.raises(KeyError):
        work_on_many(["a", "b"])
    assert said(caught) == ["a: odd", "b: dark", "1 more part: odd"]
    with pytest.warns(UserWarning, match="^c: odd$"):
        warn("c", "odd")


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
