"""Latticework: learn representations of structured data, and find out what they know."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

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
