"""Values as errors quote them: what `repr` says, as far as there is room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core.words import listed, shortened

SIMPLE = st.none() | st.integers() | st.floats() | st.text("ab\n") | st.just(b"ab" * 40)
VALUES = st.recursive(SIMPLE, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(SIMPLE, inner))


@given(VALUES, st.integers(1, 60))
def test_it_is_the_repr_as_far_as_there_is_room(value, most):
    whole = repr(value)
    assert shortened(value, most=most) == (whole if len(whole) <= most else whole[:most] + "...")


class Counted(str):
    """A text that tells how often it was written."""

    written = 0

    def __repr__(self):
        Counted.written += 1
        return "x"


@pytest.mark.parametrize("kind", [list, tuple, dict.fromkeys])
def test_of_many_only_the_first_are_written(monkeypatch, kind):
    monkeypatch.setattr(Counted, "written", 0)
    assert len(shortened(kind([Counted(number) for number in range(1000)]))) == 63
    assert Counted.written < 100


class Unwritable(list):
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize("value", [Unwritable(), [Unwritable()], {1: Unwritable()}, 10**5000, (-(10**5000),)], ids=type)
def test_what_cannot_be_written_is_told_by_its_kind(value):
    assert shortened(value) == f"<{type(value).__name__} that cannot be written>"


def test_long_names_of_a_list_are_cut():
    assert listed(["a" * 10**6, "b"]) == f"{'a' * 200}..., b"
