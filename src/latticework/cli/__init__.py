"""The `latticework` command: thin, quick to start, and ignorant of what the capabilities do."""

from latticework.cli.app import main

__all__ = ["main"]
