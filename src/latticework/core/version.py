"""The version of this installation, as its metadata says."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("latticework")
except PackageNotFoundError:  # run from a source tree that is on the path but not installed
    VERSION = "0+unknown"


def is_newer(version: object, than: str = VERSION) -> bool:
    """Whether a version is of a later release; False where one of the two is no number of a release.

    Examples
    --------
    >>> is_newer("0.10.0", than="0.9.2"), is_newer("0.9.2", than="0.9.2"), is_newer("0.9.2", than="0+unknown")
    (True, False, False)
    """
    one, other = _release(version), _release(than)
    return one is not None and other is not None and one > other


def _release(version: object) -> list[int] | None:
    found = re.match(r"(\d{1,9}(?:\.\d{1,9}){1,3})(?!\.?\d)", version) if isinstance(version, str) else None
    return None if found is None else [int(number) for number in re.sub(r"(\.0+)+$", "", found[1]).split(".")]
