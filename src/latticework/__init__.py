"""Latticework: learn representations of structured data, and find out what they know."""

import os
from typing import TYPE_CHECKING

from latticework.core.lazy import attach

# Threads that spin for long while they wait slow a busy machine down many times; threads that never do take longer to
# wake than small layers take to compute. OpenMP reads this when torch loads it: sleep, but (GNU's) after 2,000 looks.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

if TYPE_CHECKING:
    from latticework.core import datasets, progress
    from latticework.core.capability import capabilities
    from latticework.core.errors import InputError, MissingExtraError
    from latticework.core.estimator import Estimator
    from latticework.core.estimator import load_estimator as load
    from latticework.core.version import VERSION as __version__

__all__ = [
    "__version__",
    "load",
    "Estimator",
    "InputError",
    "MissingExtraError",
    "capabilities",
    "datasets",
    "progress",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "__version__": "latticework.core.version:VERSION",
        "load": "latticework.core.estimator:load_estimator",
        "Estimator": "latticework.core.estimator:Estimator",
        "InputError": "latticework.core.errors:InputError",
        "MissingExtraError": "latticework.core.errors:MissingExtraError",
        "capabilities": "latticework.core.capability:capabilities",
        "datasets": "latticework.core:datasets",
        "progress": "latticework.core:progress",
    },
)
