"""What a folder that was written says of itself, in a file of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

MAX_BYTES: Final = 2**20


def read_about(path: Path, kind: str) -> dict[str, Any] | None:
    """What a file says of the folder it is in; None if it cannot be read, or is of another kind.

    Parameters
    ----------
    path : Path
        A file with an object of JSON.
    kind : str
        What the object must have under "kind".
    """
    try:
        with path.open("rb") as stream:
            about = json.loads(stream.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return about if isinstance(about, dict) and about.get("kind") == kind else None
