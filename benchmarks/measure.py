"""Measure time and memory of two implementations, alternately in one process."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from condinst.utils.peak_memory import peak_memory, synchronize


@dataclass(frozen=True)
class Comparison:
    """The measurements of one part.

    Attributes:
        name: name of the part.
        theirs, ours: one figure per round, measured alternately.
        against: name of the other implementation.
        unit: "s" for seconds, "B" for bytes of peak memory.
        note: what was compared, and how well the results agree.
        bar: the ratio that the project requires; None if it requires none.
    """

    name: str
    theirs: list[float]
    ours: list[float]
    against: str = "mmdet"
    unit: str = "s"
    note: str = ""
    bar: float | None = None

    @property
    def ratio(self) -> float:
        """Return median of theirs over median of ours; above 1, ours needs less time or memory."""
        return statistics.median(self.theirs) / statistics.median(self.ours)

    @property
    def spread(self) -> tuple[float, float]:
        """Return the ratio's 95% interval, from 1000 seeded bootstrap samples of the rounds."""
        draw = random.Random(0)

        def median_of_sample(values: list[float]) -> float:
            return statistics.median(draw.choices(values, k=len(values)))

        ratios = sorted(
            median_of_sample(self.theirs) / median_of_sample(self.ours) for _ in range(1000)
        )
        return ratios[25], ratios[974]


def compare(
    name: str,
    theirs: Callable[[], object],
    ours: Callable[[], object],
    *,
    rounds: int = 15,
    warmup: int = 2,
    against: str = "mmdet",
    device: str = "cpu",
    note: str = "",
    bar: float | None = None,
) -> Comparison:
    """Measure the time of both alternately; a different one begins each round.

    The result of a call is deleted before the other one is called.
    """
    times: dict[int, list[float]] = {0: [], 1: []}
    for i in range(-warmup, rounds):
        for which in (0, 1) if i % 2 else (1, 0):
            synchronize(device)
            start = time.perf_counter()
            result = (theirs, ours)[which]()
            synchronize(device)
            elapsed = time.perf_counter() - start
            del result
            if i >= 0:
                times[which].append(elapsed)
    return Comparison(name, times[0], times[1], against=against, note=note, bar=bar)


def compare_peaks(
    name: str,
    theirs: Callable[[], object],
    ours: Callable[[], object],
    *,
    rounds: int = 3,
    against: str = "mmdet",
    device: str = "cpu",
    note: str = "",
    bar: float | None = None,
) -> Comparison:
    """Measure the peak memory of both alternately, in bytes above the memory in use before."""
    peaks: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(rounds):
        for which, function in enumerate((theirs, ours)):
            # at least one page: a ratio to zero has no meaning
            peaks[which].append(float(max(peak_memory(function, device), 4096)))
    return Comparison(name, peaks[0], peaks[1], against=against, unit="B", note=note, bar=bar)


def in_turns(
    calls: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 1
) -> dict[str, list[float]]:
    """Measure the seconds of every call; a different call begins each round.

    A call that returns a float has measured its seconds itself, in another process.
    """
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    for i in range(-warmup, rounds):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            result = calls[name]()
            elapsed = time.perf_counter() - start
            if isinstance(result, float):
                elapsed = result
            del result
            if i >= 0:
                times[name].append(elapsed)
    return times
