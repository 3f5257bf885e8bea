"""Two implementations of one thing, timed in turns in one process, and the memory they need."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from condinst.utils.memory import peak_memory, synchronize


@dataclass(frozen=True)
class Comparison:
    """What was measured of one part.

    Attributes:
        name: of the part.
        against: whose implementation ours is compared with.
        unit: "s" for seconds, "B" for bytes of memory at the peak.
        theirs, ours: one figure per round, taken in turns.
        note: what was compared, and how far the results agree.
        bar: the ratio that the project asks for; None where it asks for none.
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
        """Median of theirs over median of ours: above 1, ours is faster or leaner."""
        return statistics.median(self.theirs) / statistics.median(self.ours)

    @property
    def spread(self) -> tuple[float, float]:
        """95% interval of the ratio, from 1000 seeded bootstrap samples of the rounds."""
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
    """Call both in turns; the one that begins changes from round to round.

    What a call returns is dropped before the other one is called.
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
    """Peak memory of both above what was in use before, in bytes, in turns."""
    peaks: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(rounds):
        for which, function in enumerate((theirs, ours)):
            # a page at least: a ratio to nothing means nothing
            peaks[which].append(float(max(peak_memory(function, device), 4096)))
    return Comparison(name, peaks[0], peaks[1], against=against, unit="B", note=note, bar=bar)
