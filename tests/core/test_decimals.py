"""Decimal numbers in text: what Python's `float` takes, but for underscores and digits of other scripts."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core.decimals import decimal, decimals, is_decimal

WRONG = ["1_0", "1_000.5", "1e1_0", "\u0663", "1\u0665.5", "\uff11", "", " ", "x", "0x10", "1,5", "1 2", "\u22121"]


@given(st.floats(allow_nan=False))
def test_numbers_are_read_as_python_writes_them(number):
    assert decimal(repr(number)) == decimal(f"\t{number!r} ") == decimal(f"\u00a0{number!r}") == number
    assert decimals([repr(number), "0"]).tolist() == [number, 0]


@pytest.mark.parametrize("text", ["nan", "NaN", "NAN", "-nan", "inf", "-Infinity"])
def test_not_a_number_and_the_infinities_are_read(text):
    assert repr(decimal(text)) == repr(decimals([text, "1"])[0].item()) == repr(float(text))


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_decimal_number_is_named(text):
    told = f"^{re.escape(f'could not convert string to float: {text!r}')}$"
    with pytest.raises(ValueError, match=told):
        decimal(text)
    for texts in (["1", text], [text, "\u00a01"], [text, "?"]):
        with pytest.raises(ValueError, match=told):
            decimals(texts)
    assert not is_decimal(text)


def test_a_text_however_long_is_told_in_a_line():
    with pytest.raises(ValueError, match=r"^could not convert string to float: 'x{59}\.\.\.$"):
        decimal("x" * 10**6)


def test_no_numbers_are_none():
    assert decimals([]).shape == (0,)
    assert is_decimal("1")
    assert math.isnan(decimals([" nan "])[0])
