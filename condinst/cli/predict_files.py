"""Names of the files that ``condinst predict`` writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from condinst.cli.annotation_output import FOLDER_NAMES, image_paths, shared_paths
from condinst.cli.own_files import OwnFiles
from condinst.results.label_files import LABEL_ENDINGS
from condinst.utils.names import NamesInFolder

__all__ = ["COCO", "LABELS", "LINES", "OutputFiles"]

COCO, LINES = "annotations.json", "predictions.jsonl"
LABELS = "labels"
"""The folder of label maps."""

_MARK = ".condinst_predict"


class OutputFiles:
    """The paths of all files, and which of them are there from an earlier run.

    Args:
        out: the output folder, which need not be there.
        formats: a selection of ``condinst.cli.predict_output.FORMATS``.
        draw: whether images are drawn.
        closeups: whether edges of masks are drawn enlarged.

    Attributes:
        own: tells the command's files in the folder from those of others.
    """

    def __init__(self, out: Path, formats: Sequence[str], *, draw: bool, closeups: bool) -> None:
        self.out = out
        self.own = OwnFiles("--out", out, _MARK, "condinst predict")
        self._formats, self._draw, self._closeups = formats, draw, closeups
        reserved = ("annotations", "predictions", LABELS, *FOLDER_NAMES)
        self._names = NamesInFolder(out, reserved)

    def check_sources(self, images: Sequence[Path], videos: Sequence[Path]) -> None:
        """Check that the files of these sources would replace none of others; names are used up.

        Raises:
            ValueError: the first file that would be replaced.
        """
        paths = self.of_all()
        for image in images:
            paths += self.of_image(self.free_name(image.name), image)
        for video in videos:
            paths += self.of_video(self.free_name(video.name))
        self.own.check(paths)

    def free_name(self, name: str) -> str:
        """Return the file's name without its ending, with a number if the name is taken."""
        return self._names.take(name.replace("\\", "_")).name

    def of_image(self, name: str, path: str | os.PathLike[str]) -> list[Path]:
        """Return the files of one image.

        Args:
            name: of its files, without ending.
            path: of the image.
        """
        drawn = [self.out / f"{name}.jpg"] if self._draw else []
        if self._closeups:
            drawn.append(self.out / f"{name}_edges.png")
        return [*drawn, *self.of_frame(name), *image_paths(self.out, self._formats, name, path)]

    def of_frame(self, name: str) -> list[Path]:
        """Return the files that images and the frames of videos have."""
        paths = [self.out / f"{name}_instances.png"] if "png" in self._formats else []
        if {"labels", "labels-tiff"} & set(self._formats):
            paths += [self.out / LABELS / f"{name}{end}" for end in LABEL_ENDINGS]
        return paths

    def of_video(self, name: str) -> list[Path]:
        """Return the drawn video, if there is one."""
        return [self.out / f"{name}.mp4"] if self._draw else []

    def of_all(self) -> list[Path]:
        """Return the files that all images share."""
        paths = [self.out / COCO] if "coco" in self._formats else []
        if "json" in self._formats:
            paths.append(self.out / LINES)
        return paths + shared_paths(self.out, self._formats)
