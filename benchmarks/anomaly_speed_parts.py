"""What `benchmarks.anomaly_speed` times within a process: ours beside another way, with equal results.

A function that times gives seconds by system, a number a round, systems taking turns in this process, after a round
that does not count. What a benchmark makes of them is its own affair; threads are to be set by the environment, and
torch's by `torch.set_num_threads`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measuring import take_turns

Seconds = dict[str, list[float]]
OURS, LITERAL, CDIST, EXACT = "ours", "literal", "torch.cdist and min", "torch.cdist (exact) and min"
SKIPPING, CDIST_SKIPPING, EXACT_SKIPPING = (f"{name}, background skipped" for name in (OURS, CDIST, EXACT))
FOREGROUND = 0.4  # of the patches of an image: what a part fills of a square


def features(patches: int, channels: int, *, places: int = 784, seed: int = 0) -> Any:
    """Patch features as whitened handcrafted ones are: a part that depends on the place, and one with heavy tails."""
    import numpy as np

    rng = np.random.default_rng(seed)
    place = rng.standard_normal((places, channels), dtype=np.float32)
    own = rng.standard_normal((patches, channels), dtype=np.float32)
    tails = np.sqrt(5 / rng.chisquare(5, size=(patches, 1))).astype(np.float32)
    return 0.7 * place[np.arange(patches) % places] + 0.7 * tails * own


def even(patches: int, channels: int, *, dimensions: int, seed: int = 0) -> Any:
    """Features without heavy tails, normal in some dimensions, that of the channels if they are as many."""
    import numpy as np

    rng = np.random.default_rng(seed)
    found = rng.standard_normal((patches, dimensions), dtype=np.float32)
    return found if dimensions == channels else found @ rng.standard_normal((dimensions, channels), dtype=np.float32)


def clusters(patches: int, channels: int, *, seed: int = 0) -> Any:
    """Features in two clusters far apart, so tight that products do not tell their rows apart."""
    import numpy as np

    rng = np.random.default_rng(seed)
    corners = np.where(rng.random((patches, 1)) < 0.5, -1, 1).astype(np.float32)
    return corners + np.float32(1e-3) * rng.standard_normal((patches, channels), dtype=np.float32)


def loop_coreset(data: Any, count: int, start: int = 0) -> list[int]:
    """The published loop: after every pick, the distance of every patch from it."""
    import torch

    tensor = torch.from_numpy(data)
    chosen = [start]
    least = torch.linalg.vector_norm(tensor - tensor[start], dim=1)
    for _ in range(count - 1):
        farthest = int(least.argmax())
        chosen.append(farthest)
        least = torch.minimum(least, torch.linalg.vector_norm(tensor - tensor[farthest], dim=1))
    return chosen


def nearest(*, patches: int = 784, entries: int = 4_704, channels: int = 120, rounds: int = 15) -> Seconds:
    """The nearest entry of each patch of an image, beside torch, which is exact only without products of matrices.

    With products of matrices, as torch has it by itself, an entry may be at some distance from itself. Where the
    background is skipped, both are given the other patches alone.
    """
    import numpy as np
    import torch

    from latticework.anomaly.memory.neighbours import Neighbours

    bank, asked = features(entries, channels), features(patches, channels, seed=1)
    asked[::9] = bank[: len(asked[::9])]  # some that are in the bank
    ready = Neighbours(bank)
    left, right = torch.from_numpy(asked), torch.from_numpy(bank)
    foreground = np.arange(patches) % 5 < 5 * FOREGROUND
    part = torch.from_numpy(foreground)

    def exact(patches: Any) -> Any:
        return torch.cdist(patches, right, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)

    jobs: dict[str, Callable[[], Any]] = {
        OURS: lambda: ready.nearest(asked),
        SKIPPING: lambda: ready.nearest(asked[foreground]),
        CDIST: lambda: torch.cdist(left, right).min(dim=1),
        CDIST_SKIPPING: lambda: torch.cdist(left[part], right).min(dim=1),
        EXACT: lambda: exact(left),
        EXACT_SKIPPING: lambda: exact(left[part]),
    }
    seconds, found = take_turns(jobs, rounds)
    distances, numbers = found[OURS]
    least, index = (each.numpy() for each in found[EXACT])
    close = np.allclose(distances, least, rtol=1e-5, atol=0) and np.array_equal(distances == 0, least == 0)
    if not (np.array_equal(numbers, index) and close):
        raise AssertionError("ours is not what exact distances give")
    if not np.array_equal(found[SKIPPING][1], numbers[foreground]):
        raise AssertionError("other entries are nearest where the background is skipped")
    if not np.array_equal(found[EXACT_SKIPPING].indices.numpy(), numbers[foreground]):
        raise AssertionError("torch finds other entries where it is given the foreground alone")
    return seconds


def aupro(*, images: int = 100, side: int = 224, rounds: int = 3) -> Seconds:
    """AUPRO at four limits, beside the published evaluation's way: changes of both rates, sorted by score."""
    import numpy as np
    from scipy import ndimage

    from latticework.anomaly.findings.pixels import LIMITS, Pixels

    rng = np.random.default_rng(0)
    truths, maps = [], []
    for number in range(images):
        smooth = ndimage.gaussian_filter(rng.standard_normal((side, side)), 8)
        truth = (smooth > np.quantile(smooth, 0.97)) & bool(number % 4)
        noise = ndimage.gaussian_filter(rng.standard_normal((side, side)), 3)
        truths.append(truth.astype(np.uint8))
        maps.append((noise + 0.1 * truth).astype(np.float32))

    jobs: dict[str, Callable[[], Any]] = {
        OURS: lambda: Pixels.of(maps, truths).aupro(),
        LITERAL: lambda: published_aupro(maps, truths, LIMITS),
    }
    seconds, found = take_turns(jobs, rounds)
    for limit in LIMITS:
        if abs(found[OURS][limit] - found[LITERAL][limit]) > 1e-12:
            raise AssertionError(f"AUPRO up to {limit}: {found[OURS][limit]!r}, not {found[LITERAL][limit]!r}")
    return seconds


def published_aupro(maps: Any, truths: Any, limits: Any) -> dict[float, float]:
    """What the evaluation of MVTec AD does, in its way, rates in double precision; one curve for all limits."""
    import numpy as np
    from scipy import ndimage

    scores = np.concatenate([each.ravel() for each in maps])
    false, overlap, regions = [], [], 0
    for truth in truths:
        numbers, count = ndimage.label(truth, np.ones((3, 3), dtype=int))
        change = np.zeros(truth.shape)
        for number in range(1, count + 1):
            region = numbers == number
            change[region] = 1 / np.sum(region)
        false.append((numbers == 0).ravel())
        overlap.append(change.ravel())
        regions += count
    falling = np.argsort(scores)[::-1]
    scores = scores[falling]
    good = np.concatenate(false)[falling]
    kept = np.append(np.diff(scores) != 0, True)
    rates = (np.cumsum(good) / np.sum(good))[kept]
    overlaps = (np.cumsum(np.concatenate(overlap)[falling]) / regions)[kept]
    rates, overlaps = (np.concatenate([[0], np.minimum(each, 1), [1]]) for each in (rates, overlaps))
    found = {}
    for limit in limits:
        inside = rates <= limit
        x, y = rates[inside], overlaps[inside]
        area = np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)
        if limit not in rates:
            after = np.searchsorted(rates, limit, side="right")
            slope = (overlaps[after] - y[-1]) / (rates[after] - x[-1])
            area += (limit - x[-1]) * (y[-1] + slope * (limit - x[-1]) / 2)
        found[limit] = float(area / limit)
    return found
