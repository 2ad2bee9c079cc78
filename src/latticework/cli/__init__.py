"""The `latticework` command: thin, quick to start, and ignorant of what the capabilities do."""

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: the status that it ends with."""
    if arguments is None:  # the process is the command's own
        _let_threads_sleep()
    try:
        from latticework.cli.app import main as run
    except KeyboardInterrupt:  # while what reads the command line is read itself
        print("error: interrupted", file=sys.stderr)
        return 130
    return run(arguments)


def _let_threads_sleep() -> None:
    """Tell OpenMP, which reads it when torch is loaded, how threads wait, unless the user has.

    Threads that spin for long while they wait slow a busy machine down many times; threads that never do take longer to
    wake than small layers take to compute. So they sleep, but (GNU's) after 2,000 looks.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
