"""Drawings and files of what the page has found, for a threshold and classes of the user's."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from condinst.demo.findings import Finding, Findings
from condinst.results.coco_content import coco_content, coco_rows, json_text
from condinst.results.label_files import save_label_map
from condinst.results.results import Results
from condinst.utils.names import NamesInFolder, safe_part

__all__ = ["DOWNLOADS", "View", "choose", "draw", "for_display"]

MAX_SHOWN_SIDE = 2048  # pixels of a drawing on the page; the download has all


@dataclass(frozen=True)
class View:
    """What the user wants to see.

    Attributes:
        threshold: the least score.
        classes: names of classes; none for all.
        boxes, names: whether they are drawn.
    """

    threshold: float
    classes: tuple[str, ...] = ()
    boxes: bool = True
    names: bool = True


def choose(results: Results, view: View) -> Results:
    """Return the instances that the view shows."""
    chosen = results[results.scores >= np.float32(view.threshold)]
    return chosen[np.isin(chosen.names, view.classes)] if view.classes else chosen


def draw(finding: Finding, view: View) -> np.ndarray:
    """Draw the chosen instances on their image: (H, W, 3) uint8 RGB, enlarged if it is small.

    Raises:
        ValueError, OSError: the image's file can no longer be read.
    """
    return choose(finding.results, view).draw(boxes=view.boxes, names=view.names)


def for_display(drawn: np.ndarray) -> np.ndarray:
    """Reduce a large drawing for the page."""
    if max(drawn.shape[:2]) <= MAX_SHOWN_SIDE:
        return drawn
    image: Image.Image = Image.fromarray(drawn)
    image.thumbnail((MAX_SHOWN_SIDE, MAX_SHOWN_SIDE))
    return np.asarray(image)


def write_coco(findings: Findings, view: View, folder: Path) -> Path:
    """Write a COCO dataset of all images, with scores."""
    rows = (coco_rows(choose(item.results, view), item.name) for item in findings.items)
    path = folder / "annotations.json"
    content = coco_content(rows, findings.items[0].results.class_names)
    path.write_text(json_text(content), encoding="utf-8")
    return path


def write_labels(findings: Findings, view: View, folder: Path) -> Path:
    """Write the label map of an image, or a zip file of those of all images."""

    def write(item: Finding, path: Path) -> Path:
        return save_label_map(choose(item.results, view), path, tiff=False)

    return _one_or_zip(findings, folder, "labels", write)


def write_drawn(findings: Findings, view: View, folder: Path) -> Path:
    """Write the drawn image, a zip file of all drawn images, or the drawn video."""
    if findings.video:
        path = folder / f"{safe_part(Path(findings.video).stem)}_drawn.webm"
        return _write_video((draw(item, view) for item in findings.items), path, findings.rate)

    def write(item: Finding, path: Path) -> Path:
        path = path.with_name(f"{path.name}.jpg")
        Image.fromarray(draw(item, view)).save(path, quality=92)
        return path

    return _one_or_zip(findings, folder, "drawn", write)


def _one_or_zip(
    findings: Findings, folder: Path, what: str, write: Callable[[Finding, Path], Path]
) -> Path:
    if len(findings) == 1 and not findings.video:
        item = findings.items[0]
        return write(item, folder / f"{safe_part(Path(item.name).stem)}_{what}")
    path = folder / f"{what}.zip"
    with tempfile.TemporaryDirectory(dir=folder) as parts:
        names = NamesInFolder(parts)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # PNG and JPEG are packed
            for number, item in enumerate(findings.items, start=1):
                name = f"{Path(findings.video).stem}_{number:06d}.png" if findings.video else ""
                part = write(item, names.take(name or item.name))
                archive.write(part, part.name)
                part.unlink()
    return path


def _write_video(frames: Iterator[np.ndarray], path: Path, rate: float) -> Path:
    """Write a video that browsers play: OpenCV writes no H.264, but VP8.

    Raises:
        OSError: OpenCV cannot write it.
    """
    import cv2

    writer = None
    for frame in frames:
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            code = cv2.VideoWriter.fourcc(*"VP80")
            writer = cv2.VideoWriter(str(path), code, rate, size)
            if not writer.isOpened():
                raise OSError(f"{path.name}: OpenCV cannot write a video of {size[0]} x {size[1]}")
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    if writer is not None:
        writer.release()
    return path


DOWNLOADS: dict[str, Callable[[Findings, View, Path], Path]] = {
    "COCO json": write_coco,
    "Label map": write_labels,
    "Drawn image": write_drawn,
}
