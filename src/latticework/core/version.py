"""The version of this installation, as its metadata says."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("latticework")
except PackageNotFoundError:  # run from a source tree that is on the path but not installed
    VERSION = "0+unknown"
