"""The shapes that annotations tell are checked while the tests run."""

import importlib
import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float, TypeCheckError
from shape_check import annotated, checked
from torch import Tensor

from latticework.core import InputError

ARRAY = re.compile(r"\[(Tensor|np\.ndarray)[^,]*, ?[\"']")


@checked
def outer(left: Float[Tensor, " rows"], right: Float[Tensor, " columns"], times: int) -> Float[Tensor, "rows columns"]:
    return left[:, None] * right * times


def test_a_call_of_the_shapes_told_passes_whatever_else_it_is_given():
    assert outer(torch.ones(2), torch.ones(3), 1.5).shape == (2, 3)


@pytest.mark.parametrize("left", [torch.ones(2, 2), torch.ones(2, dtype=torch.int64), np.ones(2)])
def test_another_shape_dtype_or_kind_is_noticed(left):
    with pytest.raises(TypeCheckError):
        outer(left, torch.ones(3), 1)


@dataclass
class Table:
    rows: Any

    @checked
    def first(self) -> Float[Tensor, " columns"]:
        return self.rows[0]


def test_what_objects_hold_is_looked_at_again_where_its_shape_is_another():
    assert Table(torch.ones(2, 3)).first().shape == (3,)
    with pytest.raises(TypeCheckError):
        Table(torch.ones(2, 3, 4)).first()


@checked
def refusing(row: Float[Tensor, " columns"], told: Exception | None) -> Float[Tensor, " columns"]:
    if row.ndim != 1 and told is not None:
        raise told
    return row


def test_what_is_refused_with_an_input_error_may_have_any_shape():
    with pytest.raises(InputError, match="a table"):
        refusing(torch.ones(2, 2), InputError("a table"))
    for told in (None, ValueError("something else")):
        with pytest.raises(TypeCheckError):
            refusing(torch.ones(2, 2), told)


@pytest.mark.parametrize("name", annotated())
def test_every_function_that_tells_shapes_is_checked(name):
    for function in functions_and_methods(importlib.import_module(name)):
        if any(of_arrays(inspect.get_annotations(function))):
            assert any("shape_check" in layer.__code__.co_filename for layer in layers(function)), function.__qualname__


@pytest.mark.parametrize("name", annotated())
def test_every_name_in_the_annotations_of_arrays_is_there_when_tests_run(name):
    """One that only type checkers import would leave what it annotates unchecked."""
    module = importlib.import_module(name)
    classes = [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == name]
    for teller in functions_and_methods(module) + classes:
        if getattr(teller, "__name__", "") != "__init__":  # of a dataclass: it tells what its bases tell, too
            for hint in of_arrays(inspect.get_annotations(teller)):
                eval(hint, vars(module))  # noqa: S307 - written in the library's own source


def functions_and_methods(module):
    own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
    members = [member for kind in own if inspect.isclass(kind) for member in vars(kind).values()]
    unbound = [getattr(member, "__func__", getattr(member, "fget", member)) for member in own + members]
    return list(filter(inspect.isfunction, unbound))


def of_arrays(hints):
    return [hint for hint in hints.values() if isinstance(hint, str) and ARRAY.search(hint)]


def layers(function):
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)
