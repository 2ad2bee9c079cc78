"""Figures anyone can make again; `README.md` beside this file says how."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent


def real_data(name: str) -> Path:
    """A file or folder of real data; the program ends, and says what to set, where nothing names their folder."""
    from latticework.core.datasets import DATA_VARIABLE

    root = os.environ.get(DATA_VARIABLE)
    if not root:
        raise SystemExit(f"{DATA_VARIABLE} must name the folder of real data: {name} below it is read")
    return Path(root, name)
