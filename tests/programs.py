"""How tests start other processes: the command as a user has it, and two processes of `torchrun`."""

import os
import sys
from pathlib import Path

MAIN = "import sys; from latticework.cli import main; sys.exit(main())"
COMMAND = [sys.executable, "-c", MAIN]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]


def finding_tests() -> dict[str, str]:
    """The environment of a process that imports what tests share."""
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
