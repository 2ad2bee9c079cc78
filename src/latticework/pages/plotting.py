"""Matplotlib as it comes: a user's style neither shows in a drawing nor changes, whatever else the process draws."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from latticework.core.errors import require

_parameters = threading.Lock()  # they belong to the process: one drawing at a time may hold them


@contextmanager
def default_parameters(changes: Mapping[str, object] | None = None) -> Iterator[None]:
    """Give Matplotlib the parameters that it comes with while something is drawn; others that draw so wait.

    Parameters
    ----------
    changes
        What is otherwise, as of `matplotlib.rcParams`.

    Raises
    ------
    MissingExtraError
        Without Matplotlib.
    """
    matplotlib = require("matplotlib", extra="pages", purpose="drawing pictures")
    with _parameters, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(changes or {})
        yield
