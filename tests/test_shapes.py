"""The shapes that annotations tell are checked while the tests run."""

import ast
import importlib
import inspect
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import shape_check
import torch
from jaxtyping import Float, TypeCheckError
from shape_check import annotated, begin_a_test, checked, hints_of, holds_arrays
from torch import Tensor

from latticework.core import InputError


@checked
def outer(left: Float[Tensor, " rows"], right: Float[Tensor, " columns"], times: int) -> Float[Tensor, "rows columns"]:
    return left[:, None] * right * times


def test_a_call_of_the_shapes_told_passes_whatever_else_it_is_given():
    assert outer(torch.ones(2), torch.ones(3), 1.5).shape == (2, 3)


@pytest.mark.parametrize("left", [torch.ones(2, 2), torch.ones(2, dtype=torch.int64), np.ones(2)])
def test_another_shape_dtype_or_kind_is_noticed(left):
    with pytest.raises(TypeCheckError):
        outer(left, torch.ones(3), 1)


def test_of_many_calls_in_a_test_some_are_looked_at_and_of_the_next_test_all(monkeypatch):
    wrong, right = torch.ones(2, 2), torch.ones(2)

    def noticed():
        try:
            outer(wrong, right, 1)
        except TypeCheckError:
            return True
        return False

    monkeypatch.setattr(shape_check, "OFTEN", 20)
    begin_a_test()
    assert all(noticed() for _ in range(20))
    assert sum(noticed() for _ in range(10 * shape_check.RARER)) == 10
    begin_a_test()
    assert noticed()


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


@checked
@dataclass
class Rows:
    rows: Float[Tensor, "rows columns"]

    def more(self) -> "tuple[Rows, Float[Tensor, ' columns']]":
        return self, self.rows[0] if self.rows.any() else self.rows


def test_what_tells_of_its_own_class_is_checked_too():
    Rows(torch.ones(2, 3)).more()
    with pytest.raises(TypeCheckError):
        Rows(torch.zeros(4, 3)).more()


@checked
class Pair(NamedTuple):
    left: Float[Tensor, " rows"]
    right: "Float[Tensor, ' rows']"
    told: str = ""


def test_what_a_named_tuple_is_made_of_is_checked():
    assert Pair(torch.ones(2), torch.ones(2)).told == ""
    with pytest.raises(TypeCheckError):
        Pair(torch.ones(2), right=torch.ones(3))


@pytest.mark.parametrize("name", annotated())
def test_every_function_that_tells_shapes_is_checked(name):
    module = importlib.import_module(name)
    functions = functions_and_methods(module)
    unchecked = {function.__qualname__ for function in functions if not is_checked(function)}
    assert {
        one.__qualname__ for one in functions if any(map(holds_arrays, hints(one, vars(module))))
    } & unchecked == set()
    written = functions_with_shapes(ast.parse(inspect.getsource(module)))
    assert written & unchecked == set()
    assert written <= {function.__qualname__ for function in functions}, "these are not found"


def test_functions_with_and_without_strings_for_annotations_are_looked_at():
    for name, teller in (("nn.attention", "attend"), ("nn.crf", "marginals"), ("knowledge.paths", "_decoded")):
        module = importlib.import_module(f"latticework.{name}")
        assert teller in functions_with_shapes(ast.parse(inspect.getsource(module)))
        assert teller in {one.__qualname__ for one in functions_and_methods(module) if is_checked(one)}


@pytest.mark.parametrize("name", annotated())
def test_every_name_in_the_annotations_of_arrays_is_there_when_tests_run(name):
    """One that only type checkers import would leave what it annotates unchecked."""
    module = importlib.import_module(name)
    names = vars(module) | for_type_checkers(module)
    for teller in functions_and_methods(module) + own_classes(module):
        if getattr(teller, "__name__", "") != "__init__":  # of a dataclass: it tells what its bases tell, too
            unwrapped = inspect.unwrap(teller)
            _, unknown = hints_of(unwrapped, vars(module))
            missing = {argument for argument in unknown if holds_arrays(hints_of(unwrapped, names)[0].get(argument))}
            assert not missing, teller.__qualname__


def own_classes(module):
    return [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__]


def functions_and_methods(module):
    own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
    members = [member for kind in own_classes(module) for member in vars(kind).values()]
    found = []
    for member in own + members:
        inner = (getattr(member, name, None) for name in ("__func__", "fget", "func", "__wrapped__"))
        found.append(member if inspect.isfunction(member) else next(filter(inspect.isfunction, inner), None))
    return list(filter(inspect.isfunction, found))


def functions_with_shapes(tree):
    """The names of the functions and methods whose annotations are written with names of jaxtyping."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping"]
    kinds = re.compile(rf"\b({'|'.join(name.name for node in imports for name in node.names)})\[")
    found = set()
    for node in tree.body:
        for one in [node, *(node.body if isinstance(node, ast.ClassDef) else [])]:
            if isinstance(one, ast.FunctionDef):
                arguments = [
                    one.args.vararg,
                    one.args.kwarg,
                    *one.args.posonlyargs,
                    *one.args.args,
                    *one.args.kwonlyargs,
                ]
                hints = [one.returns, *(argument.annotation for argument in arguments if argument)]
                if any(hint is not None and kinds.search(ast.unparse(hint)) for hint in hints):
                    found.add(one.name if one is node else f"{node.name}.{one.name}")
    return found


def for_type_checkers(module):
    """What a module has only where types are checked."""
    names = dict(vars(module))
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module.__file__, "exec"), names)  # noqa: S102
    return names


def hints(function, names):
    return hints_of(inspect.unwrap(function), names)[0].values()


def is_checked(function):
    while function is not None:
        if "shape_check" in function.__code__.co_filename:
            return True
        function = getattr(function, "__wrapped__", None)
    return False
