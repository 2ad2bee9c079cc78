"""Independent pieces of work, in as many processes and on whichever machines joblib is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joblib import Parallel


def workers(jobs: int | None) -> Parallel:
    """What does pieces of work, in a `with` statement, which ends all of it if it is left early.

    Results come in the order of the work, each as it is done; all at the end where joblib's backend cannot do that, as
    "multiprocessing" cannot.

    Parameters
    ----------
    jobs
        How many processes work (-1: one a processor); None is as many as `joblib.parallel_config` says, or else one.

    Examples
    --------
    >>> from joblib import delayed
    >>> with workers(1) as parallel:
    ...     list(parallel(delayed(abs)(number) for number in (-1, 2)))
    [1, 2]
    """
    from joblib import Parallel  # heavy, and needed for many pieces alone
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    return Parallel(n_jobs=jobs, return_as="generator" if backend.supports_return_generator else "list")
