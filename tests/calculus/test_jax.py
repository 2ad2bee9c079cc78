"""Exported JAX code computes what the expression says."""

import subprocess
import sys
from pathlib import Path


def test_every_operation() -> None:
    ended = subprocess.run([sys.executable, Path(__file__).with_name("in_jax.py")], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
