"""What the page keeps of a user's images: names, files and results, but no pixels."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from condinst.images.sources import FRAME_RATE, VIDEO_SUFFIXES, read_video, video_facts
from condinst.inference.base import BasePredictor
from condinst.results.results import Results

__all__ = ["LEAST_SCORE", "MAX_FILES", "Finding", "Findings", "find"]

LEAST_SCORE = 0.05
"""Instances with lower scores are not kept; the threshold of the page moves above it."""

MAX_FILES = 1000


class Finding(NamedTuple):
    """The results of one image or frame.

    Attributes:
        name: what the page calls the image.
        results: its instances; their path is a file that :meth:`Results.draw` can read.
    """

    name: str
    results: Results


@dataclass
class Findings:
    """The results of one upload.

    Attributes:
        items: those of each image or frame.
        video: name of the video if all items are its frames, else an empty text.
        rate: the video's frames per second.
        seconds: how long the prediction has taken.
        notes: what was left out, a line each.
        folder: the folder of the frames; None for images.
    """

    items: list[Finding] = field(default_factory=list)
    video: str = ""
    rate: float = FRAME_RATE
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.items)

    def remove(self) -> None:
        """Remove the frames from the disk."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def find(
    predictor: BasePredictor[Any], files: Sequence[Path], workspace: Path, max_frames: int
) -> Iterator[tuple[Findings, int]]:
    """Predict images, or one video, and yield what is found after each image.

    An image that cannot be read among several is left out with a note.

    Args:
        predictor: the model.
        files: image files, or a single video.
        workspace: folder for the frames.
        max_frames: the frames of the video after these are left out, with a note.

    Yields:
        The findings so far, always the same object, and the number of images; 0 if it is unknown.

    Raises:
        ValueError: no file can be used, there are too many, or there are other files beside a
            video.
    """
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    if videos and len(files) > 1:
        raise ValueError(f"{videos[0].name}: expected a video alone, without other files")
    if len(files) > MAX_FILES:
        raise ValueError(f"{len(files):,} files: expected at most {MAX_FILES:,} at a time")
    start = time.monotonic()
    found = (
        _find_in_video(predictor, videos[0], workspace, max_frames)
        if videos
        else _find_in_images(predictor, files)
    )
    for findings, total in found:
        findings.seconds = time.monotonic() - start
        yield findings, total


def _find_in_images(
    predictor: BasePredictor[Any], files: Sequence[Path]
) -> Iterator[tuple[Findings, int]]:
    findings = Findings()
    for file in files:
        try:
            results = predictor(str(file), score_thr=LEAST_SCORE)
        except (ValueError, OSError, ImportError) as error:
            if len(files) == 1:
                raise
            findings.notes.append(str(error))
            continue
        findings.items.append(Finding(file.name, results))
        yield findings, len(files)
    if files and not findings.items:
        raise ValueError(f"none of {len(files):,} files could be read: {findings.notes[0]}")


def _find_in_video(
    predictor: BasePredictor[Any], file: Path, workspace: Path, max_frames: int
) -> Iterator[tuple[Findings, int]]:
    total, rate = video_facts(file)
    folder = Path(tempfile.mkdtemp(prefix="frames-", dir=workspace))
    findings = Findings(video=file.name, rate=rate, folder=folder)
    if total > max_frames:
        findings.notes.append(f"the first {max_frames:,} of {total:,} frames (--max-frames)")
    frames = read_video(file)
    for number, frame in zip(range(1, max_frames + 1), frames, strict=False):
        results = predictor(frame, score_thr=LEAST_SCORE)
        results.path, results.image = str(_save_frame(frame, folder, number)), None
        findings.items.append(Finding(f"{file.name}#{number}", results))
        yield findings, min(total, max_frames)


def _save_frame(frame: np.ndarray, folder: Path, number: int) -> Path:
    path = folder / f"{number:06d}.jpg"
    Image.fromarray(frame).save(path, quality=95)
    return path
