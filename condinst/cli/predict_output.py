"""Write the files of images of ``condinst predict``."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from condinst.cli.annotation_output import ANNOTATION_FORMATS, AnnotationOutput, Draft
from condinst.cli.predict_files import COCO, LABELS, LINES, OutputFiles
from condinst.results.coco_content import CocoRows, coco_content, coco_rows, json_text
from condinst.results.label_files import save_label_map
from condinst.utils.files import names_file, write_whole
from condinst.utils.temporary_file import claim_temporary
from condinst.visualization.instances import class_color, draw_closeups

if TYPE_CHECKING:
    from condinst.results.results import Results
    from condinst.visualization.labels import Names

FORMATS = ("coco", *ANNOTATION_FORMATS, "png", "json", "labels", "labels-tiff")

# the number of a source, a line of predictions.jsonl, the rows of annotations.json, and what the
# files of labeling programs need
Part: TypeAlias = tuple[int, str | None, CocoRows | None, Draft | None]


class ImageOutput:
    """Write all files of images, and those of videos except for the video itself.

    Args:
        out: output folder, made if needed.
        formats: a selection of :data:`FORMATS`.
        class_names: the name of every label.
        draw: whether the images are drawn.
        boxes: whether boxes are drawn.
        names: which names are drawn, as for :meth:`condinst.Results.draw`.
        closeups: whether edges of masks are drawn enlarged.
        collect: whether what the files of all images need is kept in :attr:`parts`, for a process
            that writes these files for all processes.

    Attributes:
        files: names and paths of the files.
        parts: with ``collect``, the number of the source, its line, its rows and its draft.
    """

    def __init__(
        self,
        out: Path,
        formats: Sequence[str],
        class_names: Sequence[str],
        *,
        draw: bool,
        boxes: bool,
        names: Names = "auto",
        closeups: bool,
        collect: bool = False,
    ) -> None:
        self.out, self.formats, self.draw, self.boxes = out, formats, draw, boxes
        self.names, self._closeups = names, closeups
        self._class_names = class_names
        self._num_written = 0
        self._rows: list[CocoRows] = []
        self._collect = collect
        self.parts: list[Part] = []
        self.files = OutputFiles(out, formats, draw=draw, closeups=closeups)
        self._drafts = AnnotationOutput(out, formats, class_names)
        self._given: dict[str, deque[tuple[int, str]]] = {}
        self._source = 0  # the number of the source that is being written

    def __enter__(self) -> ImageOutput:
        with names_file(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
            if {"labels", "labels-tiff"} & set(self.formats):
                (self.out / LABELS).mkdir(exist_ok=True)
        self._lines = None
        if "json" in self.formats and not self._collect:
            # listed now: on a disk that is full at the end, the lines so far still get their name
            self.files.own.begin([self.out / LINES])
            self._lines = LinesFile(self.out / LINES)
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        """Write the results so far, however the block ends."""
        done = not self._collect and (kind is None or self._num_written)
        try:
            if self._lines:
                self._lines.finish()
                self.files.own.end([self.out / LINES])
            others = [path for path in self.files.of_all() if path != self.out / LINES]
            with self.files.own.writing(others if done else []):
                if done:
                    self._drafts.finish()
                    if "coco" in self.formats:
                        self._write_coco()
        except (OSError, ValueError):
            if kind is None:
                raise
            # the first error is reported, such as the file at which the disk was full

    def write(self, results: Results) -> None:
        """Write the files of one image; if one of them fails, the others are removed.

        Raises:
            UnreadableError: its file cannot be read again for drawing.
            ValueError: a file of others would be replaced.
            OSError: a file cannot be written.
        """
        assert results.path is not None
        if self.draw or self._closeups:
            try:
                image = results.read_image()
            except (ValueError, OSError, ImportError) as error:
                raise UnreadableError(str(error)) from error
        name = self.take_name(results.path)
        paths = self.files.of_image(name, results.path)
        before, drafts = {path for path in paths if os.path.lexists(path)}, len(self._drafts)
        size, lines = self._num_written, self._lines.size if self._lines else 0
        rows, parts = len(self._rows), len(self.parts)
        try:
            with self.files.own.writing(paths):
                self._write_files(results, name, image if self.draw or self._closeups else None)
                self._drafts.write(results, name)
                self.write_data(results, name, results.path)
        except BaseException:  # a signal too: annotations.json and the drawings agree
            if self._num_written == size:
                self._drafts.cut(drafts)
                del self._rows[rows:], self.parts[parts:]
                for path in paths:
                    if path not in before:
                        path.unlink(missing_ok=True)
                if self._lines:
                    self._lines.size = lines  # the rest is cut off at the end
            raise

    def _write_files(self, results: Results, name: str, image: np.ndarray | None) -> None:
        """Write the files that images have and the frames of videos have not."""
        if self.draw:
            path = self.out / f"{name}.jpg"
            results.save(path, image, score_thr=0.0, boxes=self.boxes, names=self.names)
        if self._closeups:
            assert image is not None
            closeups: Image.Image = Image.fromarray(
                draw_closeups(image, results, self._class_names, score_thr=0.0)
            )
            _save_png(closeups, self.out / f"{name}_edges.png")

    def write_data(self, results: Results, name: str, file_name: str) -> None:
        """Write the files that images and the frames of videos have.

        Args:
            results: of the image or frame.
            name: name of the files of this image alone, without ending.
            file_name: the image's name in COCO's and the JSON file.
        """
        if "png" in self.formats:
            _save_png(_instance_map(results), self.out / f"{name}_instances.png")
        if {"labels", "labels-tiff"} & set(self.formats):
            save_label_map(results, self.out / LABELS / name, "labels-tiff" in self.formats)
        line = rows = None
        if "json" in self.formats:
            content = {**results.to_dict(), "path": file_name}
            del content["class_names"]  # a thousand of them would be most of the file
            line = json_text(content)
        if "coco" in self.formats:
            rows = coco_rows(results, file_name)
        if self._collect:
            draft = self._drafts.take() if len(self._drafts) else None
            self.parts.append((self._source, line, rows, draft))
        else:
            self._keep(line, rows)
        self._num_written += 1  # last: __exit__ writes the files of all images, after an error too

    def write_parts(self, parts: Iterable[Part]) -> None:
        """Write the files of all sources from the parts of all processes, whose order is free."""
        assert self._collect
        self._collect = False
        with self:
            for _, line, rows, draft in sorted(parts, key=lambda part: part[0]):
                self._keep(line, rows)
                if draft is not None:
                    self._drafts.put(draft)

    def _keep(self, line: str | None, rows: CocoRows | None) -> None:
        if line is not None and self._lines:
            self._lines.write(line)
        if rows is not None:
            self._rows.append(rows)

    def name_sources(self, sources: Sequence[Path], written: Iterable[int]) -> None:
        """Give each source its name beforehand, so that all processes agree on them.

        Args:
            sources: images and videos.
            written: the numbers of those that this process writes.
        """
        names = [self.files.free_name(source.name) for source in sources]
        for number in written:
            given = self._given.setdefault(os.fspath(sources[number]), deque())
            given.append((number, names[number]))

    def take_name(self, source: str | os.PathLike[str]) -> str:
        """Return the name of a source's files, without ending; its rows follow."""
        given = self._given.get(os.fspath(source))
        if not given:
            return self.files.free_name(Path(source).name)
        self._source, name = given.popleft()
        return name

    def _write_coco(self) -> None:
        content = coco_content(self._rows, self._class_names)
        write_whole(self.out / COCO, json_text(content))


class UnreadableError(ValueError):
    """The file of an image can no longer be read."""


class LinesFile:
    """A file of whole lines, which gets its name when it is finished.

    Args:
        path: path of the finished file.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with names_file(path):
            self._partial, self._lock = claim_temporary(path)
            self._file = self._partial.open("wb", buffering=0)
        self.size = 0  # bytes of the lines to keep

    def write(self, text: str) -> None:
        """Append a line."""
        data = f"{text}\n".encode()
        with names_file(self._path, self._partial):
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        self.size += len(data)

    def finish(self) -> None:
        """Rename the file, with its whole lines; remove it if there are none."""
        with names_file(self._path, self._partial):
            try:
                self._file.truncate(self.size)
                os.fsync(self._file.fileno())
                self._file.close()
                if self.size:
                    os.replace(self._partial, self._path)
                else:
                    self._partial.unlink()
            except BaseException:
                self._file.close()
                self._partial.unlink(missing_ok=True)
                raise
            finally:  # from here on, another process may use the temporary's name
                if self._lock is not None:
                    os.close(self._lock)
                    self._lock = None


def _save_png(image: Image.Image, path: Path) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_whole(path, buffer.getvalue())


def _instance_map(results: Results) -> Image.Image:
    """Return a map with 0 for background, else the instance's number; higher scores are on top.

    Up to 255 instances, the map has a palette with the colors of their classes.
    """
    many = len(results) > 255
    numbers = np.zeros(results.image_size, np.uint16 if many else np.uint8)
    for i in reversed(range(len(results))):
        crop = results.crops[i]
        rows, columns = crop.mask.shape
        numbers[crop.y : crop.y + rows, crop.x : crop.x + columns][crop.mask] = i + 1
    image: Image.Image = Image.fromarray(numbers)
    if not many:
        image = image.convert("P")
        colors = [(0, 0, 0), *(class_color(int(label)) for label in results.labels)]
        image.putpalette([value for color in colors for value in color])
    return image
