"""The parts compare equal results; how long they take is not a test."""

from __future__ import annotations

import pytest

from benchmarks import anomaly_speed_parts as parts


@pytest.mark.parametrize(
    "part, sizes, systems",
    [
        (
            parts.nearest,
            {"patches": 60, "entries": 300, "channels": 12, "rounds": 2},
            {parts.OURS, parts.SKIPPING, parts.CDIST, parts.CDIST_SKIPPING, parts.EXACT, parts.EXACT_SKIPPING},
        ),
        (parts.aupro, {"images": 3, "side": 64, "rounds": 1}, {parts.OURS, parts.LITERAL}),
    ],
)
def test_a_part_gives_seconds_of_every_system(part, sizes, systems):
    seconds = part(**sizes)
    assert set(seconds) == systems
    assert all(len(values) == sizes["rounds"] for values in seconds.values())
    assert all(value > 0 for values in seconds.values() for value in values)
