"""Public knowledge graphs that change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from latticework.core.datasets import Dataset, RemoteFile
from latticework.core.errors import InputError
from latticework.knowledge.io.dataset import Splits
from latticework.knowledge.io.openke import read_openke

SNAPSHOTS: Final = (1, 2, 3)
_PARTS: Final = ("entity2id", "relation2id", "train2id", "valid2id", "test2id")

YAGO: Final = Dataset(
    name="yago-3sp",
    summary="Three snapshots of a part of YAGO: 27,000 entities, 124,000 facts, of which some 1,000 come with each.",
    source="https://github.com/lienwc/DKGE/tree/master/dataset/YAGO-3SP",
    licence="none stated; YAGO itself is CC BY",
    files=tuple(  # without addresses: what has no licence is fetched by hand
        RemoteFile(path=f"knowledge/YAGO-3SP/snapshot{snapshot}/{part}.txt", sha256=sha256, size=size)
        for snapshot, part, sha256, size in (
            (1, "entity2id", "7b4dcd41b713b1694aa4e7a31eb45ed631f1dd8ed650ab67310c8b2dd4941bd6", 606_657),
            (1, "relation2id", "4933e93efb2a0e8db5af11805e2e2d4dc929933fa47f9d28f3eb79fd4ed9a951", 507),
            (1, "train2id", "990d7f16a6c1c0cbe96068981124d4ab70ec8f848326f6c10b4ae38298e534d8", 1_756_690),
            (1, "valid2id", "04b7b22b46870db7fad632cfe1ca08d09bffa05e54a876de5fcdf8f92eb36281", 42_466),
            (1, "test2id", "bf38c041d45a591ef5e93371ab68d30fe81f42c2bd148c80511db245e946c27f", 42_510),
            (2, "entity2id", "7719948cb178455230b20874084fa3d088058ed53ca51013a92afff5d827755c", 609_845),
            (2, "relation2id", "65ddee6eee2cacdc6cc86956b5dc36e27f0d7837259a61f6c8c54583a4f7bc2c", 522),
            (2, "train2id", "6b3694f91537a66dc74f91e4b0328272ddbaa93e60b1ef06b42c6b40a6f6b5be", 1_578_183),
            (2, "valid2id", "8ec7f66642278c3190aee5325792b2e597fee0633ad40536fd3fd8639621c58c", 37_831),
            (2, "test2id", "e1708fc0a411ff9cd573f00acfc69a3d7b7467f2e9c8b6c4e0b94297828f6ce2", 37_865),
            (3, "entity2id", "0d9f0b3aa820a16caef3ed00cfeb5b49c486074558acf15c43e3c009a779844c", 611_681),
            (3, "relation2id", "d4ebde7648923d68f1ce4e4eadf79ad8984862384bb7652dbde3ec783595068d", 522),
            (3, "train2id", "38175221e73092c067dd7b1a16afd628d925093f819c16f2e75667f58355e2e4", 1_588_770),
            (3, "valid2id", "446a29b37cdae46e43e00a50917d40eb0dddef59d5c0d2a73fb6c022124fb61c", 37_800),
            (3, "test2id", "084f7d038d636dacab8102dfbfce2d410d7935aa3e49c5aa6826987b163eeadc", 37_831),
        )
    ),
    reader="latticework.knowledge.io.yago:read_yago",
)


def read_yago(path: Callable[[str], Path], *, snapshot: int = 1) -> Splits:
    """A snapshot as it was published: of the second and the third some test facts are facts to learn from.

    Raises
    ------
    InputError
        If there is no such snapshot.
    """
    if snapshot not in SNAPSHOTS:
        raise InputError(f"snapshot={snapshot!r}: expected 1, 2 or 3")
    files = [path(f"knowledge/YAGO-3SP/snapshot{snapshot}/{part}.txt") for part in _PARTS]
    return read_openke(files[0].parent)
