"""Plan a training for a given time: how many iterations, and how fast its schedule runs.

A config's schedule has a length of its own, such as 600 iterations. The plan maps the iterations
that the time allows to positions in that schedule. The warm-up runs as it is written, one position
for each iteration. After it, the rest of the schedule is spread evenly over the iterations that are
left, however often their number is planned anew. So the last iteration is the schedule's end, and
every scheduler keeps its form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Marks", "TimePlan"]

_MAX_WARMUP = 0.2  # of the iterations
_VALIDATIONS = 0.25  # of the time, in the first plan
_MAX_VALIDATIONS = 0.4  # of the time that is left, later
_TOO_LONG = 0.5  # of the time: a validation that takes more is not planned for


@dataclass
class Marks:
    """Events that are spread evenly over the iterations, the last of them at the end.

    Attributes:
        left: number of events to come.
        last: number of finished iterations at the last event.
    """

    left: int
    last: int = 0

    def is_due(self, finished: int, end: int, spacing: int = 1) -> bool:
        """Tell whether an event comes after this iteration, and count it.

        Args:
            finished: number of finished iterations.
            end: planned number of iterations.
            spacing: iterations between the calls; the nearest call has the event.
        """
        if self.left < 1 or self.last >= finished:
            return False
        due = self.last + math.ceil((end - self.last) / self.left)
        early = (spacing - 1) // 2 if self.left > 1 else 0
        if finished + early < due:
            return False
        self.left, self.last = self.left - 1, finished
        return True


@dataclass
class TimePlan:
    """The state of one training; a checkpoint holds it.

    Attributes:
        seconds: time that was given, from the start of the command.
        length: number of iterations of the config's schedule.
        warmup: those of its warm-up.
        position: reached position in the schedule, 0 to ``length``.
        end: planned number of iterations; 0 before the speed is known.
        spent: seconds since the start, runs that were resumed from included.
        late: 1 if the only validation takes too long to be planned for, and comes after the time.
        validations, checkpoints: those to come.
    """

    seconds: float
    length: int
    warmup: int = 0
    position: float = 0.0
    end: int = 0
    spent: float = 0.0
    late: int = 0
    validations: Marks = field(default_factory=lambda: Marks(0))
    checkpoints: Marks = field(default_factory=lambda: Marks(0))

    def replan(
        self,
        finished: int,
        iteration: float,
        validation: float = 0.0,
        saving: float = 0.0,
        spacing: int = 1,
    ) -> None:
        """Choose the number of iterations for the time that is left.

        Args:
            finished: number of finished iterations.
            iteration, validation, saving: seconds of an iteration, of a validation and of writing
                a checkpoint.
            spacing: iterations between two points at which the loop can validate.
        """
        # the rest is for what comes before the clock and after the last checkpoint
        left = self.seconds - min(3.0 + 0.02 * self.seconds, 60.0) - self.spent
        together = self.validations.left == self.checkpoints.left
        for marks in (self.validations, self.checkpoints):
            most = math.ceil(max(left, 0.0) / max(iteration, 1e-9) / spacing)
            marks.left = min(marks.left, max(1, most))
        if not self.end:
            self.late = int(validation > max(_TOO_LONG * left, 0.0))
        if self.late:
            self.validations.left, validation = min(self.validations.left, 1), 0.0
        limit = (_MAX_VALIDATIONS if self.end else _VALIDATIONS) * left
        if validation and self.validations.left * validation > limit:
            self.validations.left = max(1, int(max(limit, 0.0) / validation))
        if together:
            self.checkpoints.left = self.validations.left
        left -= self.validations.left * validation + self.checkpoints.left * saving
        self.end = finished + max(1, int(left / max(iteration, 1e-9)))

    def advance(self, finished: int) -> None:
        """Move on after an iteration.

        Args:
            finished: number of finished iterations, this one included.
        """
        if not self.end:
            self.position = min(self.position + 1, self.length)
        elif finished >= self.end:
            self.position = float(self.length)
        elif self.position < self.warmup:
            limit = math.ceil(_MAX_WARMUP * self.end)
            rate = (self.warmup - self.position) / max(1, limit - finished + 1)
            self.position = min(self.position + max(1.0, rate), self.warmup)
        else:
            self.position += (self.length - self.position) / (self.end - finished + 1)

    @property
    def factor(self) -> float:
        """Planned iterations for each one of the config's schedule, at most 1."""
        return min(1.0, self.end / self.length) if self.end else 1.0

    def state(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Any, length: int) -> TimePlan:
        """Read what :meth:`state` has returned, from a checkpoint of a config of this length.

        Raises:
            ValueError: a value is missing or impossible, or the schedule has another length.
        """
        names = ("seconds", "length", "warmup", "position", "end", "spent", "late")
        values = {name: _number(state, name) for name in names}
        if values["length"] != length:
            raise ValueError(
                f"the schedule has {values['length']:g} iterations there, and {length} in the "
                "config"
            )
        if values["position"] > length:
            raise ValueError(f"position is {values['position']:g}, beyond the schedule's {length}")
        marks = [state.get(name) for name in ("validations", "checkpoints")]
        validations, checkpoints = (
            Marks(int(_number(part, "left")), int(_number(part, "last"))) for part in marks
        )
        return cls(
            seconds=values["seconds"],
            length=length,
            warmup=int(values["warmup"]),
            position=values["position"],
            end=int(values["end"]),
            spent=values["spent"],
            late=int(values["late"]),
            validations=validations,
            checkpoints=checkpoints,
        )


def _number(state: Any, name: str) -> float:
    value = state.get(name) if isinstance(state, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ValueError(f"{name} is {value!r:.40}, expected a number of 0 or more")
    return value
