"""Lines that arrive while others are worked on: none is lost, none waits, and errors come in their turn."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest

from latticework.core import InputError
from latticework.core.streams import arriving


def test_every_line_comes_once_and_in_order_whatever_the_size_of_a_chunk() -> None:
    lines = [f"line {number}" for number in range(500)]
    for most in (1, 7, 1000):
        chunks = list(arriving(iter(lines), most=most))
        assert [line for chunk in chunks for line in chunk] == lines
        assert all(1 <= len(chunk) <= most for chunk in chunks)
    assert list(arriving([], most=3)) == []


def test_a_line_is_given_before_the_next_is_there() -> None:
    typed: queue.Queue[str | None] = queue.Queue()
    answers = arriving(iter(typed.get, None), most=10)
    for line in ("one", "two"):
        typed.put(line)
        assert next(answers) == [line]
    typed.put(None)
    assert next(answers, None) is None


def test_an_error_comes_after_the_lines_before_it() -> None:
    def lines() -> Iterator[str]:
        yield from ("one", "two")
        raise InputError("line 3 is bad")

    chunks = arriving(lines(), most=1)
    assert [next(chunks), next(chunks)] == [["one"], ["two"]]
    with pytest.raises(InputError, match="line 3 is bad"):
        next(chunks)
