"""Numbers as options: any type of number is taken, and becomes a plain one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from latticework import InputError
from latticework.core.checks import flag, in_order, n_jobs, one_of, positive, set_frozen, share, text, whole_number


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_any_type_become_an_int(value):
    found = whole_number("layers", value)
    assert (found, type(found)) == (3, int)


@pytest.mark.parametrize("value", [0, -1, 2.0, np.float32(2), True, np.True_, "2", None, math.nan, math.inf])
def test_what_is_no_whole_number_or_too_small_is_named(value):
    with pytest.raises(InputError, match=f"^{re.escape(f'layers={value!r}')}: expected a whole number of at least 1$"):
        whole_number("layers", value)


@pytest.mark.parametrize("value", [2**31, np.uint64(2**63), 10**5000], ids=type)
def test_more_than_is_ever_counted_is_refused_at_once(value):
    with pytest.raises(InputError, match=r"^layers=.*: expected at most 2,147,483,647$"):
        whole_number("layers", value)
    with pytest.raises(InputError, match=r"^order=.*: expected at most 4$"):
        whole_number("order", value, most=4)


@pytest.mark.parametrize("value", [1, -1, -2, np.int64(8)])
def test_processes_are_counted_as_joblib_does(value):
    assert (n_jobs("jobs", value), type(n_jobs("jobs", value))) == (value, int)
    assert n_jobs("jobs", None) is None


@pytest.mark.parametrize("value", [0, True, 1.0, "2", 10**12, -(10**5000)], ids=type)
def test_what_is_no_number_of_processes_is_named(value):
    with pytest.raises(InputError, match=r"^jobs=.*: expected a number of processes up to 4,096, or -1"):
        n_jobs("jobs", value)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), Fraction(1, 2)])
def test_numbers_of_any_type_become_a_float(value):
    found = share("dropout", value)
    assert (found, type(found)) == (0.5, float)
    assert type(share("dropout", 0)) is float


@pytest.mark.parametrize("value", [1, -0.1, math.nan, math.inf, True, np.True_, "0.1", None])
def test_what_is_no_number_or_out_of_its_range_is_named(value):
    with pytest.raises(InputError, match=f"^{re.escape(f'dropout={value!r}')}: expected a share of at least 0"):
        share("dropout", value)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, True, None, "1"])
def test_what_is_not_positive_or_not_finite_is_named(value):
    with pytest.raises(InputError, match=f"^{re.escape(f'rate={value!r}')}: expected a positive, finite number$"):
        positive("rate", value)
    assert positive("rate", np.float32(0.5)) == 0.5


@pytest.mark.parametrize("value", [0, 1, None, "yes", np.int64(1)])
def test_what_is_neither_true_nor_false_is_named(value):
    with pytest.raises(InputError, match=f"^{re.escape(f'bigrams={value!r}')}: expected True or False$"):
        flag("bigrams", value)
    assert flag("bigrams", np.True_) is flag("bigrams", True) is True


def test_what_a_file_can_hold_is_text():
    assert text("line 1", "ä\U0001f600\n") == "ä\U0001f600\n"


@pytest.mark.parametrize(
    "value, wrong",
    [
        (b"a", "expected text, got bytes"),
        (None, "expected text, got NoneType"),
        ("ab\0", "NUL character at position 2"),
        ("\ud83d", "not valid Unicode text (half of a surrogate pair)"),
    ],
)
def test_what_no_file_can_hold_is_an_error_with_its_place(value, wrong):
    with pytest.raises(InputError, match=f"^{re.escape(f'line 7: {wrong}')}$"):
        text("line 7", value)


@pytest.mark.parametrize("value, choices", [("one", ("one", "two")), (None, ("one", None)), (np.int64(2), (1, 2))])
def test_one_of_the_choices_is_taken(value, choices):
    assert one_of("norm", value, choices) is value


@pytest.mark.parametrize("value", ["three", None, True, 1.5, ["one"], np.array([1, 2]), {}])
def test_what_is_none_of_the_choices_is_named_beside_them(value):
    with pytest.raises(InputError, match=f"^{re.escape(f'norm={value!r}')}: expected one of one, two, 1$"):
        one_of("norm", value, ("one", "two", 1))


CHECKS = {
    "whole_number": lambda value: whole_number("option", value, least=1),
    "share": lambda value: share("dropout", value),
    "positive": lambda value: positive("option", value),
    "flag": lambda value: flag("option", value),
    "one_of": lambda value: one_of("option", value, ["one"]),
}


class Unwritable:
    def __repr__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "value, told",
    [
        ("x" * 10**6, "'" + "x" * 59 + "..."),
        ([0] * 10**5, "[" + "0, " * 19 + "0,..."),
        (-(10**400), "-1" + "0" * 58 + "..."),
        (-(10**5000), "<int that cannot be written>"),
        ([10**5000], "<list that cannot be written>"),
        (Unwritable(), "<Unwritable that cannot be written>"),
    ],
    ids=["text", "list", "long", "longer", "list of a longer", "unwritable"],
)
def test_a_value_is_told_in_a_line_however_large_it_is(check, value, told):
    with pytest.raises(InputError, match=rf"^(option|dropout)={re.escape(told)}: expected [^\n]{{,50}}$"):
        CHECKS[check](value)


@pytest.mark.parametrize("value", [10**400, 10**5000], ids=["long", "longer"])
def test_numbers_beyond_a_float_are_in_no_range(value):
    with pytest.raises(InputError, match=r"^dropout=.{,65}: expected a share"):
        share("dropout", value)


class Table:
    """Like a data frame: what it gives are the names of its columns."""

    columns = ("text",)

    def __init__(self, dimensions):
        self.ndim = dimensions

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize("make", [list, tuple, iter, np.array, lambda texts: dict.fromkeys(texts).keys()])
def test_what_has_an_order_is_given_back(make):
    values = make(["b", "a"])
    assert in_order("texts", values, "a list") is values


@pytest.mark.parametrize(
    "values, got",
    [
        ("text", "a single str"),
        (b"text", "a single bytes"),
        (None, "a single NoneType"),
        ({"a": 1}, "a dict, which has no order or is of names"),
        ({"a"}, "a set, which has no order or is of names"),
        (frozenset("a"), "a frozenset, which has no order or is of names"),
        (np.array("a"), "a ndarray of 0 dimensions"),
        (np.array([["a"]]), "a ndarray of 2 dimensions"),
        (Table(2), "a Table of 2 dimensions"),
        (Table(1), "a Table, a table: give one of its columns"),
    ],
)
def test_what_has_no_order_or_more_dimensions_is_told(values, got):
    with pytest.raises(InputError, match=f"^{re.escape(f'texts: expected a list, got {got}')}$"):
        in_order("texts", values, "a list")


def test_an_array_may_have_the_dimensions_that_are_allowed_and_a_table_never():
    values = np.array([["a"]])
    assert in_order("texts", values, "a list", dimensions=2) is values
    for other in (np.array("a"), np.array([[["a"]]]), Table(2)):
        with pytest.raises(InputError, match=r"^texts: expected a list, got a "):
            in_order("texts", other, "a list", dimensions=2)


def test_a_frozen_dataclass_keeps_plain_values():
    @dataclass(frozen=True)
    class Config:
        size: int

        def __post_init__(self):
            set_frozen(self, "size", whole_number("size", self.size))

    assert type(Config(np.int64(3)).size) is int
