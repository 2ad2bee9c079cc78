"""The benchmark of matrix calculus runs, refuses systems that differ, and its rows say what was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import calculus, calculus_cases, calculus_exported, measuring, records
from benchmarks.calculus_exported import AUTOGRAD, BY_HAND, EXPORTED_NUMPY, EXPORTED_TORCH

# torch's own forward mode still uses it.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")

SMALL = {
    "logistic": ((12, 3), (9, 4)),
    "logistic, once": ((12, 3), (9, 4)),
    "softmax": (6,),
    "quadratic": (5,),
    "factorisation": (4, 2),
    "normalisation": (6,),
    "inverse": (3,),
    "squares": (12, 3),
    "neuron": (12, 3),
    "regression": (9, 4, 3),
    "determinant": (4,),
}
CASES = [
    {"id": "P02", "dsl": "w ./ x", "vars": {"w": "n", "x": "n"}, "cond": "x>0", "wrt": "x", "gold": "np.diag(-w/x**2)"},
    {"id": "P13", "dsl": "x'*A*x", "vars": {"A": "n,n", "x": "n"}, "wrt": "x", "gold": "(A+A.T)@x"},
    {
        "id": "P17",
        "dsl": "log(abs(det(X)))",
        "vars": {"X": "n,n"},
        "wrt": "X",
        "gold": "np.linalg.inv(X).T",
    },
]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small problems, measured for a moment, and three cases."""
    monkeypatch.setattr(calculus_cases, "SIZES", SMALL)
    monkeypatch.setattr(calculus_exported, "SHORTEST", 1e-5)
    (tmp_path / "calculus").mkdir()
    (tmp_path / "calculus" / "gold.json").write_text(json.dumps({"cases": CASES}), encoding="utf-8")
    monkeypatch.setenv("LATTICEWORK_DATA", str(tmp_path))


def test_every_hessian_is_timed_in_all_systems_which_agree() -> None:
    problems = calculus_exported.time_hessians(rounds=2)
    assert len(problems) == 7
    assert [problem["order"] for problem in problems] == [2] * 5 + [1] * 2
    for problem in problems:
        assert len(problem["seconds"]) == 6
        assert all(len(each) == 2 and min(each) > 0 for each in problem["seconds"].values())


def test_every_gradient_is_timed_in_all_systems_which_agree() -> None:
    problems = calculus_exported.time_gradients(rounds=2)
    assert len(problems) == 7
    for problem in problems:
        assert list(problem["seconds"]) == [EXPORTED_TORCH, EXPORTED_NUMPY, BY_HAND, AUTOGRAD]


def test_systems_that_differ_are_not_timed() -> None:
    good = np.array([1.0, 2.0])
    calculus_exported.require_equal("f", {"one": good, "two": good + 1e-12})
    with pytest.raises(RuntimeError, match=r"f: two and one differ by 5\.0e-07, more than 1e-08"):
        calculus_exported.require_equal("f", {"one": good, "two": good + 1e-6})
    with pytest.raises(RuntimeError, match="two and one differ by nan"):
        calculus_exported.require_equal("f", {"one": good, "two": good * np.nan})
    with pytest.raises(RuntimeError, match=r"two gives the shape \(2, 1\), one \(2,\)"):
        calculus_exported.require_equal("f", {"one": good, "two": good[:, None]})


def test_a_wrong_gradient_by_hand_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculus_cases, "quadratic_by_hand", lambda A, x: 2 * (A @ x))
    with pytest.raises(RuntimeError, match="quadratic form, n=5: by hand in NumPy and exported torch code differ"):
        calculus_exported.time_gradients(rounds=1)


def test_a_hessian_is_compared_with_the_fastest_of_torch() -> None:
    seconds = {
        EXPORTED_TORCH: [0.001, 0.002],
        EXPORTED_NUMPY: [0.004, 0.004],
        "torch.func.hessian": [0.03, 0.03],
        "jacfwd(jacrev)": [0.02, 0.02],
    }
    problem = {"name": "f", "order": 2, "target": True, "seconds": seconds}
    rows = {row.name: row for row in calculus_exported.hessian_rows(problem)}
    assert rows["Hessian, f: jacfwd(jacrev)"].value == 20
    ratio = rows["Hessian, f: jacfwd(jacrev), the best of torch, over exported torch code"]
    assert (ratio.low, ratio.value, ratio.high, ratio.target) == (10, 15, 20, ">= 10")
    slow = rows["Hessian, f: jacfwd(jacrev), the best of torch, over exported NumPy code"]
    assert (slow.value, slow.met) == (5, False)
    rows = {row.name: row for row in calculus_exported.hessian_rows({**problem, "order": 1, "target": False})}
    assert rows["Jacobian, f: jacfwd(jacrev), the best of torch, over exported torch code"].target is None


def test_a_gradient_is_compared_with_that_by_hand() -> None:
    seconds = {EXPORTED_TORCH: [0.002], EXPORTED_NUMPY: [0.002], BY_HAND: [0.003], AUTOGRAD: [0.008]}
    rows = {row.name: row for row in calculus_exported.gradient_rows({"name": "f", "seconds": seconds})}
    assert rows[f"gradient, f: {BY_HAND} over {EXPORTED_NUMPY}"].value == 1.5
    assert rows[f"gradient, f: {BY_HAND} over {EXPORTED_NUMPY}"].target == ">= 1"
    assert rows[f"gradient, f: {AUTOGRAD} over {EXPORTED_TORCH}"].value == 4


def test_derive_is_timed_on_every_case_in_every_round() -> None:
    found = calculus.time_derive(rounds=2)
    for seconds in found["seconds"].values():
        assert np.shape(seconds) == (2, len(CASES))
    assert np.all(np.asarray(found["seconds"]["steps"]) >= np.asarray(found["seconds"]["derive"]))
    rows = calculus.derive_rows({"cases": 2, "seconds": {key: [[0.001, 0.021]] for key in found["seconds"]}})
    assert {row.name: (round(row.value, 3), row.target) for row in rows if "derive` and" in row.name} == {
        "`derive` and `verify`: median over the 2 gold cases": (11, None),
        "`derive` and `verify`: 95th percentile over the 2 gold cases": (20, "<= 100"),
        "`derive` and `verify`: largest over the 2 gold cases": (21, "<= 100"),
    }


def test_without_the_gold_cases_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATTICEWORK_DATA")
    with pytest.raises(SystemExit, match="LATTICEWORK_DATA must name the folder of real data: calculus/gold"):
        calculus.gold_cases()


def test_sympy_and_we_are_judged_by_the_same_closed_form() -> None:
    sympy = calculus.run_part("sympy", rounds=1)["cases"]
    assert [case["ours"]["verdict"] for case in sympy] == ["right"] * 3
    assert [case["sympy"]["verdict"].split(" (")[0] for case in sympy] == ["no answer", "right", "wrong"]
    rows = {row.name: row for row in calculus.sympy_rows(sympy)}
    assert rows["gold cases, latticework: right"].met
    assert [rows[f"gold cases, SymPy: {verdict}"].value for verdict in ("right", "wrong", "no answer")] == [1, 1, 1]
    assert rows["P13, `x'*A*x` by x: SymPy: right"].unit == "ms"


def test_an_answer_that_is_right_at_some_points_only_is_wrong() -> None:
    import sympy

    from benchmarks.calculus_sympy import judged

    points = [{"x": np.asarray(2.0)}, {"x": np.asarray(3.0)}]
    gold = [np.asarray(4.0), np.asarray(9.0)]
    x = sympy.Symbol("x", real=True)
    assert judged(lambda: x**2, gold, points) == "right"
    assert judged(lambda: 2 * x, gold, points) == "wrong"
    assert judged(lambda: sympy.Derivative(x**3, x), gold, points) == "no answer (not evaluated)"
    assert judged(lambda: 1 / 0, gold, points) == "no answer (ZeroDivisionError)"


def test_an_import_of_torch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculus, "IMPORTS", 1)
    rows = calculus.import_rows(measuring.environment(threads=1))
    assert 0 < rows[0].value < rows[1].value
    monkeypatch.setattr(calculus, "_IMPORT", 'print(\'{"seconds": 0.1, "torch": true}\')')
    with pytest.raises(RuntimeError, match="imports torch"):
        calculus.import_rows(measuring.environment(threads=1))


def test_the_parts_are_put_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculus, "IMPORTS", 1)

    def run_measured(command: list[str], env: dict[str, str], timeout: float, cores: int) -> measuring.Measured:
        assert cores == 1
        assert env["OMP_NUM_THREADS"] == "1"
        output: dict[str, Any] = {"seconds": 0.1, "torch": False}
        if "--part" in command:
            output = calculus.run_part(command[command.index("--part") + 1], rounds=1)
        return measuring.Measured(tuple(command), 1.0, 1.0, 10**8, output)

    recorded: list[records.Result] = []
    monkeypatch.setattr(measuring, "run_measured", run_measured)
    monkeypatch.setattr(records, "record", lambda result, *, lacks: recorded.append(result))
    monkeypatch.setattr(sys, "argv", ["calculus", "--rounds", "1"])
    calculus.main()
    (result,) = recorded
    assert result.command == "python -m benchmarks.calculus --rounds 1"
    assert result.versions["sympy"] == calculus.sympy_version()
    names = [row.name for row in result.rows]
    assert len(set(names)) == len(names)
    assert sum("the best of torch" in name for name in names) == 14
    assert sum(row.target == ">= 10" for row in result.rows) == 10


def test_a_part_prints_what_it_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["calculus", "--part", "derive", "--rounds", "1"])
    calculus.main()
    assert json.loads(capsys.readouterr().out)["cases"] == len(CASES)


def test_some_parts_are_shown_and_not_recorded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calculus, "IMPORTS", 1)
    monkeypatch.setattr(sys, "argv", ["calculus", "--only", "import"])
    calculus.main()
    shown = capsys.readouterr().out
    assert "import of `latticework.calculus`" in shown
    assert "not recorded, for it lacks: hessians, gradients, derive, sympy" in shown
