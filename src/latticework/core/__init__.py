"""The contract all capabilities share: estimators, persistence, training, errors, progress, datasets, the registry."""

from typing import TYPE_CHECKING

from latticework.core.lazy import attach

if TYPE_CHECKING:
    from latticework.core.capability import Capability, capabilities
    from latticework.core.datasets import Dataset, RemoteFile
    from latticework.core.errors import InputError, MissingExtraError, require
    from latticework.core.estimator import Estimator, load_estimator, save_estimator
    from latticework.core.files import decode_lines, read_lines, write_atomically
    from latticework.core.persistence import State, read_folder, write_folder
    from latticework.core.seeds import seed_from, spawn
    from latticework.core.tensors import Stored, store_tensors

__all__ = [
    "Estimator",
    "save_estimator",
    "load_estimator",
    "State",
    "Stored",
    "store_tensors",
    "write_folder",
    "read_folder",
    "Capability",
    "capabilities",
    "Dataset",
    "RemoteFile",
    "InputError",
    "MissingExtraError",
    "require",
    "read_lines",
    "decode_lines",
    "write_atomically",
    "seed_from",
    "spawn",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Estimator": "latticework.core.estimator:Estimator",
        "save_estimator": "latticework.core.estimator:save_estimator",
        "load_estimator": "latticework.core.estimator:load_estimator",
        "State": "latticework.core.persistence:State",
        "Stored": "latticework.core.tensors:Stored",
        "store_tensors": "latticework.core.tensors:store_tensors",
        "write_folder": "latticework.core.persistence:write_folder",
        "read_folder": "latticework.core.persistence:read_folder",
        "Capability": "latticework.core.capability:Capability",
        "capabilities": "latticework.core.capability:capabilities",
        "Dataset": "latticework.core.datasets:Dataset",
        "RemoteFile": "latticework.core.datasets:RemoteFile",
        "InputError": "latticework.core.errors:InputError",
        "MissingExtraError": "latticework.core.errors:MissingExtraError",
        "require": "latticework.core.errors:require",
        "read_lines": "latticework.core.files:read_lines",
        "decode_lines": "latticework.core.files:decode_lines",
        "write_atomically": "latticework.core.files:write_atomically",
        "seed_from": "latticework.core.seeds:seed_from",
        "spawn": "latticework.core.seeds:spawn",
    },
)
