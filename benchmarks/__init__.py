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


def real_data_if_there(name: str) -> Path | None:
    """The same, or None where there is none."""
    from latticework.core.datasets import DATA_VARIABLE

    path = real_data(name) if os.environ.get(DATA_VARIABLE) else None
    return path if path is not None and path.exists() else None
