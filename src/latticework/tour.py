"""The tour: every registered capability shows, on data that it makes itself, what it learns; one page holds it all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from latticework.core.capability import Capability, capabilities, resolve
from latticework.core.errors import InputError
from latticework.core.progress import message

if TYPE_CHECKING:
    from latticework.pages import Page, Section


@dataclass(frozen=True)
class Outcome:
    """How a stop went.

    Attributes
    ----------
    name : str
        The capability's.
    seconds : float
        How long the stop took.
    section : Section or None
        What it learned, for the page; None if it failed.
    error : Exception or None
        Why it failed.
    """

    name: str
    seconds: float
    section: Section | None = None
    error: Exception | None = None


def stops(*, only: Sequence[str] = ()) -> tuple[Capability, ...]:
    """Return the capabilities that have a stop, in the tour's order.

    Parameters
    ----------
    only : sequence of str, optional
        Names to keep; all when empty.

    Raises
    ------
    InputError
        If a name is not that of a capability with a stop.
    """
    found = tuple(capability for capability in capabilities() if capability.tour_stop is not None)
    known = [capability.name for capability in found]
    for name in only:
        if name not in known:
            raise InputError(f"the tour has no stop {name!r}: it has {', '.join(known) or 'none'}")
    return tuple(capability for capability in found if not only or capability.name in only)


def run(planned: Sequence[Capability], *, seed: int) -> Iterator[Outcome]:
    """Run the stops one by one; one that fails does not keep the others from running.

    Parameters
    ----------
    planned : sequence of Capability
        What `stops` returned.
    seed : int
        The same seed makes the same data and the same models.

    Yields
    ------
    Outcome
        How each stop went, as soon as it has ended.
    """
    for number, capability in enumerate(planned, start=1):
        message(f"[{number}/{len(planned)}] {capability.name}: {capability.summary}")
        assert capability.tour_stop is not None
        start = time.perf_counter()
        try:
            section = cast("Section", resolve(capability.tour_stop)(seed=seed))
        except Exception as error:
            outcome = Outcome(capability.name, time.perf_counter() - start, error=error)
            message(f"{capability.name} failed after {outcome.seconds:.0f} s: {_reason(error)}")
        else:
            outcome = Outcome(capability.name, time.perf_counter() - start, section)
            message(f"{capability.name} done in {outcome.seconds:.0f} s")
        yield outcome


def page(outcomes: Sequence[Outcome]) -> Page:
    """Put what the stops learned, and which failed and why, on one page."""
    from latticework.pages import Page

    return Page(
        "A tour of Latticework",
        "What each capability learned, on data that it made itself: small, but real.",
        [_section(outcome) for outcome in outcomes],
    )


def _section(outcome: Outcome) -> Section:
    from latticework.pages import Section

    if outcome.section is not None:
        return outcome.section
    assert outcome.error is not None
    return Section(outcome.name, f"This stop failed: {_reason(outcome.error)}")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
