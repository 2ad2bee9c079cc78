"""How parts are looked at: which banks there is something for, and many parts one after the other or side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latticework.anomaly.config import HANDCRAFTED, OF_COLOUR, PRETRAINED, M3DMConfig
from latticework.anomaly.describing import Described, describe, scans_of
from latticework.anomaly.judging import FUSION
from latticework.anomaly.listing import Part, read
from latticework.anomaly.samples import Sample
from latticework.anomaly.warned import Note, noted, warn
from latticework.core.errors import InputError
from latticework.core.progress import progress

if TYPE_CHECKING:
    from latticework.anomaly.pretrained import Pretrained

AT_ONCE = 32  # parts that are looked at before what was seen of them is kept


@dataclass(frozen=True)
class Looking:
    """How parts are looked at.

    Attributes
    ----------
    banks
        What to look at, without the fusion bank.
    settings
        Figures.
    scans
        What the good parts have, of "rgb" and "xyz".
    encoders
        Trained ones, if any.
    alike
        Whether parts are to be learnt from: then they have nothing besides, and no defect.
    """

    banks: Sequence[str]
    settings: M3DMConfig
    scans: Sequence[str]
    encoders: Pretrained | None
    alike: bool = False

    def at(self, parts: Sequence[Part], doing: str) -> Iterator[Described]:
        """Look at parts, in their order.

        Raises
        ------
        InputError
            As `describe`, for the first part that it is raised for.
        """
        for found in self.tried(parts, doing):
            if isinstance(found, InputError):
                raise found
            yield found

    def tried(self, parts: Sequence[Part], doing: str) -> Iterator[Described | InputError]:
        """The same; of a part that cannot be looked at, the reason.

        One after the other, or as ``joblib.parallel_config`` says; some at a time, so that memory stays bounded.
        """
        from joblib import Parallel, delayed

        with progress(doing, total=len(parts), unit="parts") as bar:
            for begin in range(0, len(parts), AT_ONCE):
                some = parts[begin : begin + AT_ONCE]
                if self.encoders is not None:  # they are large, and fill the processors by themselves
                    looked: Iterable[tuple[Described | InputError, list[Note]]] = map(self._one, some)
                else:
                    looked = Parallel()(delayed(self._one)(part) for part in some)
                for found, notes in looked:
                    for note in notes:
                        warn(*note)
                    bar.advance()
                    yield found

    def _one(self, part: Part) -> tuple[Described | InputError, list[Note]]:
        with noted() as notes:
            return self._looked(part), notes

    def _looked(self, part: Part) -> Described | InputError:
        try:
            sample = read(part)
            if self.alike and (more := [what for what in scans_of(sample) if what not in self.scans]):
                return InputError(
                    f"{sample.name} has {more[0]}, but the first part has none: give it for all or for none"
                )
            if self.alike and sample.is_good is False:
                return InputError(f"{sample.name} has a defect, as its truth says: a detector learns from good parts")
            return describe(sample, self.banks, self.settings, self.encoders, scans=self.scans)
        except InputError as error:
            return error


def banks_of(
    asked: Sequence[str] | None, features: str, settings: M3DMConfig, encoders: Pretrained | None, first: Sample
) -> tuple[str, ...]:
    """The banks to fill, in their order: those asked for, or all for which there is something."""
    every = HANDCRAFTED if features == "handcrafted" else PRETRAINED
    there = {bank: (first.rgb if bank in OF_COLOUR else first.xyz) is not None for bank in every}
    there |= {"form": True} if "form" in every else {}
    if encoders is not None:
        there["colour"] &= encoders.vit is not None
        there["geometry"] &= encoders.point_mae is not None
    there[FUSION] = there["colour"] and there["geometry"]
    if asked is None:
        usual = PRETRAINED if settings.paper else every
        if found := tuple(bank for bank in every if bank in usual and there[bank]):
            return found
        raise InputError(f"{first.name} has nothing that the given weights are for: give those of the other encoder")
    if not isinstance(asked, list | tuple) or not asked or any(bank not in every for bank in asked):
        raise InputError(f"banks={asked!r}: expected some of {', '.join(every)}, with {features} features")
    for bank in asked:
        if not there[bank] and bank != FUSION:
            raise InputError(f"{first.name} does not have what the memory bank for {bank} looks at")
    if FUSION in asked and not (set(OF_COLOUR) & set(asked) and "geometry" in asked):
        raise InputError(f"banks={asked!r}: a fusion bank brings geometry and colours together: add those banks")
    return tuple(bank for bank in every if bank in asked)
