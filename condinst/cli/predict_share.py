"""Share the sources of ``condinst predict`` among the processes that torchrun has started."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from condinst.cli.predict_output import ImageOutput

__all__ = ["Share", "find_share"]

_KEPT = "the images predicted so far are kept; no file of all images has been written"


class Share(NamedTuple):
    """The part of the work that this process does.

    Attributes:
        rank: number of the process.
        size: number of all processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Return whether this process prints, and writes the files of all images."""
        return self.rank == 0

    def whose(self, of_all: int | None) -> str:
        """Return whose number of images a line of progress counts, behind the number.

        Args:
            of_all: number of the images of all processes; None where they are not shared.
        """
        if self.size == 1 or of_all is None:
            return ""
        return f" by process {self.rank + 1} of {self.size}, which share {of_all:,} images"

    def choose(self, num_images: int, num_videos: int, batch_size: int) -> list[int]:
        """Return the numbers of the sources of this process: whole batches, and whole videos.

        Batches are those that one process would make, because the images of a batch are padded to
        one size. Videos follow the images.
        """
        num_batches = -(-num_images // batch_size)
        images = [i for i in range(num_images) if i // batch_size % self.size == self.rank]
        videos = [
            num_images + i for i in range(num_videos) if (num_batches + i) % self.size == self.rank
        ]
        return images + videos

    def device(self, device: str | None) -> str | None:
        """Return the device of this process: where there are several GPUs, each has its own."""
        if device is not None or self.size == 1:
            return device
        import torch

        count = torch.cuda.device_count()
        return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % count}" if count else None

    @contextlib.contextmanager
    def meet(self) -> Iterator[None]:
        """Connect the processes; in this block, the loss of one ends the others with one line.

        Raises:
            ConnectionError: the processes have not found each other.
            SystemExit: another process is lost; the line has been printed.
        """
        if self.size == 1:
            yield
            return
        from mmengine.dist import init_dist

        from condinst.compat import heartbeat

        try:
            init_dist("pytorch", backend="gloo")
        except (RuntimeError, ValueError) as error:
            text = " ".join(str(error).split())
            raise ConnectionError(f"the processes have not found each other: {text}") from error
        beats = heartbeat.current()
        assert beats is not None
        try:
            yield
        except (SystemExit, RuntimeError) as error:
            # torchrun ends all processes by signals when one is lost
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            lost, text = beats.find_lost()
            if not lost and isinstance(error, RuntimeError):
                raise
            if beats.should_report(lost):
                text = text if lost else "ended by a signal"
                print(f"error: {text}; {_KEPT}", file=sys.stderr, flush=True)
            raise SystemExit(error.code if isinstance(error, SystemExit) else 1) from None

    def finish(self, output: ImageOutput, counts: list[int]) -> list[int]:
        """Write the files of all images in the first process.

        Args:
            output: that has collected the parts of this process.
            counts: numbers of this process.

        Returns:
            The sums of the counts of all processes, in the first process.
        """
        if self.size == 1:
            return counts
        from torch import distributed

        gathered: list[Any] | None = [None] * self.size if self.is_first else None
        distributed.gather_object((output.parts, counts), gathered)
        if gathered is None:
            return counts
        output.write_parts(part for parts, _ in gathered for part in parts)
        return [sum(values) for values in zip(*(found for _, found in gathered), strict=True)]


def find_share() -> Share:
    """Return the share of this process: torchrun sets its environment."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # Slurm too sets RANK, for one process
        return Share()
    return Share(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))
