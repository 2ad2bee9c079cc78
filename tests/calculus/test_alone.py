"""The engine stands alone: NumPy and the standard library, and of the house only how it says what is wrong."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
before = set(sys.modules)
from latticework.calculus import check, derive, parse
found = derive("sum(log(1 + exp(-y .* (X*w))))", "w", {"X": "N,n", "w": "n", "y": "N"}, order=2)
found.steps, found.source("torch"), found.to_numpy()
found.evaluate(X=[[1.0, 2.0]], w=[1.0, 1.0], y=[1.0])
assert found.verify(method="differences")
assert check("x'*x", "x", "2*x'")
print(*sorted(set(sys.modules) - before))
"""


def modules_after_deriving() -> list[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.split()


def test_deriving_imports_nothing_but_numpy_and_the_standard_library():
    known = {*sys.stdlib_module_names, "numpy", "latticework", "cython_runtime"}  # the last is NumPy's
    foreign = {name.partition(".")[0] for name in modules_after_deriving()} - known
    assert {name for name in foreign if not name.startswith("_")} == set()


def test_of_the_house_the_engine_needs_checks_errors_and_lazy_imports_alone():
    house = [name for name in modules_after_deriving() if name.startswith("latticework.")]
    others = [name for name in house if not name.startswith("latticework.calculus")]
    assert set(others) <= {
        "latticework.core",
        "latticework.core.checks",
        "latticework.core.errors",
        "latticework.core.lazy",
        "latticework.core.version",
        "latticework.core.words",
    }
