"""Parts that are set aside: what was seen of them, to be scored whenever more is learnt, and that they are new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from latticework.anomaly.features.extraction import Described, Description, Patches
from latticework.core.errors import InputError

FAR: Final = 20.0  # times the middle score of parts set aside: of good ones the highest has about five times


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Parts set aside.

    Attributes
    ----------
    parts
        What was seen of each, to the last bit: a threshold holds for parts that are treated as those it is from.
    digests
        By what each is known again, and its name.
    """

    parts: tuple[Description, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    def refuse(self, part: Described) -> None:
        """Refuse to learn from a part that is set aside.

        Raises
        ------
        InputError
            If it is.
        """
        if part.digest in self.digests:
            twin = self.digests[part.digest]
            same = "" if twin == part.name else f" is the same scan as the part {twin}, which"
            raise InputError(
                f"the part {part.name}{same} was set aside before: a threshold certifies nothing where parts are "
                "learnt from too, so leave it out"
            )

    def joined(self, more: Iterable[Described], learnt: Mapping[str, str]) -> HeldOut:
        """These parts and some more, which must be new.

        Parameters
        ----------
        more
            The others.
        learnt
            The digests of what was learnt from, and the names.

        Raises
        ------
        InputError
            If a part was learnt from, or is there twice.
        """
        parts, digests = list(self.parts), dict(self.digests)
        for part in more:
            if part.digest in learnt:
                twin = learnt[part.digest]
                raise InputError(
                    f"the part {part.name}, which is set aside, and the part {twin}, which is learnt from, are the "
                    "same scan: a threshold certifies nothing where parts are learnt from too, so leave one of them out"
                )
            if part.digest in digests:
                raise InputError(
                    f"the parts {digests[part.digest]} and {part.name} are the same scan, set aside twice: that would "
                    "certify too much, so leave one of them out"
                )
            digests[part.digest] = part.name
            parts.append(part.patches)
        return HeldOut(tuple(parts), digests)

    def doubts(self, scores: Float64[np.ndarray, " parts"]) -> list[str]:
        """Of parts that score far above the others, that they do: the threshold of few parts follows a single one.

        Examples
        --------
        >>> HeldOut(({}, {}, {}), {"1": "a", "2": "b", "3": "c"}).doubts(np.array([1.0, 90.0, 2.0]))
        ['it is doubtful that b, which was set aside, is good: it scores 45 times as high as the middle one of those']
        """
        middle = float(np.median(scores)) if len(scores) else 0.0
        return [
            f"it is doubtful that {name}, which was set aside, is good: it scores {score / middle:,.0f} times as high "
            "as the middle one of those"
            for name, score in zip(self.digests.values(), scores, strict=True)
            if score > FAR * middle > 0
        ]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What was seen, as arrays."""
        arrays: dict[str, np.ndarray] = {}
        for bank in self.parts[0] if self.parts else ():
            arrays[f"{bank}.rows"] = np.concatenate([part[bank].rows for part in self.parts])
            arrays[f"{bank}.judged"] = np.stack([part[bank].judged for part in self.parts])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], digests: Mapping[str, str]) -> HeldOut:
        """Take back what `to_arrays` gave.

        Raises
        ------
        InputError
            If the arrays do not fit together.
        """
        parts: list[dict[str, Patches]] = [{} for _ in digests]
        for name in arrays:
            bank, _, kind = name.rpartition(".")
            if kind != "judged":
                continue
            judged, rows = np.asarray(arrays[name]), np.asarray(arrays[f"{bank}.rows"])
            if (
                judged.dtype != bool
                or rows.dtype != np.float32
                or judged.shape[:1] != (len(parts),)
                or judged.sum() != len(rows)
            ):
                raise InputError("what was seen of parts set aside does not fit together; the model is damaged")
            ends = np.cumsum(judged.sum(axis=(1, 2)))[:-1]
            for part, own, where in zip(parts, np.split(rows, ends), judged, strict=True):
                part[bank] = Patches(own, where)
        return cls(tuple(parts), dict(digests))
