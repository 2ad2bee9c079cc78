"""The `latticework` command: thin, quick to start, and ignorant of what the capabilities do."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: the status that it ends with."""
    try:
        from latticework.cli.app import main as run
    except KeyboardInterrupt:  # while what reads the command line is read itself
        print("error: interrupted", file=sys.stderr)
        return 130
    return run(arguments)
