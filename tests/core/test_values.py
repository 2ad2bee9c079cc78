import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import latticework as lw
from latticework.core import State, read_folder, write_folder
from latticework.core.values import decode, encode, plain, read_object, strict_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.sampled_from(["$float", "$tuple", "$dict"]), inner)
    ),
    max_leaves=12,
)


@given(value=PLAIN)
def test_plain_values_come_back_as_they_were(value):
    read = decode(json.loads(json.dumps(encode(value, "value"), allow_nan=False)))
    assert repr(read) == repr(value)  # 1 is not 1.0 nor True, a tuple is not a list


@given(header=PLAIN, values=PLAIN)
@settings(max_examples=20)
def test_plain_values_survive_a_folder(tmp_path_factory, header, values):
    folder = tmp_path_factory.mktemp("values")
    write_folder(folder, header={"kind": header}, state=State({"all": values}))
    read, state = read_folder(folder)
    assert repr((read, state.values)) == repr(({"kind": header}, {"all": values}))


def test_not_a_number_comes_back(tmp_path):
    write_folder(tmp_path, header={}, state=State({"x": [float("nan"), float("inf"), -float("inf"), np.float32(0.5)]}))
    assert repr(read_folder(tmp_path)[1].values) == "{'x': [nan, inf, -inf, 0.5]}"


def test_paths_are_held_as_texts_wherever_they_are():
    assert encode({"cells": [Path("a/b.npy")]}, "value") == {"cells": [str(Path("a/b.npy"))]}


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", {1: 2}, np.zeros(2)])
def test_values_that_are_not_plain_are_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises(lw.InputError, match=r"values\.x"):
        write_folder(tmp_path / "folder", header={}, state=State({"x": value}))
    assert not (tmp_path / "folder").exists()


@given(value=PLAIN)
def test_results_are_strict_json_whatever_numbers_are_in_them(value):
    assert json.loads(strict_json(value), parse_constant=pytest.fail) == plain(value)


@pytest.mark.parametrize(
    "line, told",
    [
        ("[1]", "expected a JSON object, got a list"),
        ("3.5", "expected a JSON object, got a number"),
        ("true", "expected a JSON object, got a truth value"),
        ("null", "expected a JSON object, got null"),
        ('"x"', "expected a JSON object, got a text"),
        ("{", "not a JSON object"),
        ("", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ("1" * 5000, "not a JSON object"),
        ('{"text": "a", "text": "b"}', "not a JSON object: the name 'text' stands there twice$"),
        ('{"a": [{"b": 1, "b": 1}]}', "not a JSON object: the name 'b' stands there twice$"),
        (
            f'{{"{"x" * 10**6}": 1, "{"x" * 10**6}": 1}}',
            r"not a JSON object: the name 'x{59}\.\.\. stands there twice$",
        ),
        ('{"score": NaN}', "not a JSON object: NaN is not a JSON number$"),
        ('{"score": -Infinity}', "not a JSON object: -Infinity is not a JSON number$"),
        ('{"score": 1e999}', "not a JSON object: 1e999 is not a JSON number$"),
        (f'{{"score": 1{"0" * 10**6}.0}}', "not a JSON object: 10{39} is not a JSON number$"),
    ],
    ids=lambda text: text[:40],
)
def test_a_line_that_is_no_object_is_refused_with_its_place(line, told):
    with pytest.raises(lw.InputError, match=f"some.jsonl:7: {told}"):
        read_object(line, "some.jsonl:7")
