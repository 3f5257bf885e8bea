"""The files that ``condinst predict`` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from condinst.draw import class_color, draw_closeups
from condinst.results_formats import coco_category_ids

if TYPE_CHECKING:
    from condinst.results import Results

FORMATS = ("coco", "labelme", "png", "json")


class PictureOutput:
    """Everything that is written of pictures, and of videos but the video itself.

    Args:
        out: folder, made if needed.
        formats: of :data:`FORMATS`.
        class_names: the name of every label.
        draw: whether the pictures are drawn.
        boxes: whether boxes are drawn.
        closeups: whether edges of masks are drawn enlarged.
    """

    def __init__(
        self,
        out: Path,
        formats: Sequence[str],
        class_names: Sequence[str],
        *,
        draw: bool,
        boxes: bool,
        closeups: bool,
    ) -> None:
        self.out, self.formats, self.draw, self.boxes = out, formats, draw, boxes
        self._closeups = closeups
        self._class_names = class_names
        self._images: list[dict] = []
        self._annotations: list[dict] = []
        self._names: set[str] = set()

    def __enter__(self) -> PictureOutput:
        self.out.mkdir(parents=True, exist_ok=True)
        self._lines = None
        if "json" in self.formats:
            self._lines = (self.out / "predictions.jsonl").open("w", encoding="utf-8")
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        if self._lines:
            self._lines.close()
        if "coco" in self.formats and kind is None:
            self._write_coco()

    def write(self, results: Results) -> None:
        """The files of one picture."""
        assert results.path is not None
        name = self.free_name(Path(results.path).stem)
        if self.draw:
            results.save(self.out / f"{name}.jpg", score_thr=0.0, boxes=self.boxes)
        if self._closeups:
            image = results.read_image()
            shown: Image.Image = Image.fromarray(
                draw_closeups(image, results, self._class_names, score_thr=0.0)
            )
            shown.save(self.out / f"{name}_edges.png")
        if "labelme" in self.formats:
            place = os.path.relpath(results.path, self.out)
            content = results.to_labelme(image_path=Path(place).as_posix())
            path = self.out / f"{name}.json"
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
        self.write_data(results, name, results.path)

    def write_data(self, results: Results, name: str, file_name: str) -> None:
        """What is written of pictures and of a video's frames.

        Args:
            name: of the files that belong to this picture alone.
            file_name: what COCO's and the JSON file call the picture.
        """
        if "png" in self.formats:
            _instance_map(results).save(self.out / f"{name}_instances.png")
        if self._lines:
            line = {**results.to_dict(), "path": file_name}
            self._lines.write(json.dumps(line, ensure_ascii=False) + "\n")
        if "coco" in self.formats:
            height, width = results.image_size
            image_id = len(self._images) + 1
            self._images.append(
                dict(id=image_id, file_name=Path(file_name).name, height=height, width=width)
            )
            for found, area in zip(results.to_coco(image_id), results.areas, strict=True):
                number = len(self._annotations) + 1
                self._annotations.append(dict(id=number, area=int(area), iscrowd=0, **found))

    def free_name(self, name: str) -> str:
        """The name, or one with a number if a picture of another folder has taken it."""
        free, number = name, 1
        while free in self._names:
            number += 1
            free = f"{name}-{number}"
        self._names.add(free)
        return free

    def _write_coco(self) -> None:
        ids = coco_category_ids(self._class_names)
        categories = [dict(id=i, name=n) for i, n in zip(ids, self._class_names, strict=True)]
        content = dict(images=self._images, annotations=self._annotations, categories=categories)
        text = json.dumps(content, ensure_ascii=False)
        (self.out / "annotations.json").write_text(text, encoding="utf-8")


class VideoOutput:
    """A video with what was found drawn on its frames, at the speed of the original.

    Raises:
        ValueError: it cannot be read.
        OSError: no video can be written.
    """

    def __init__(self, video: Path, output: PictureOutput) -> None:
        import cv2

        capture = cv2.VideoCapture(str(video))
        self.num_frames = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
        capture.release()
        self._video, self._output = video, output
        self._name = output.free_name(video.stem)
        self._writer: Any = None
        self._number = 0

    def __enter__(self) -> VideoOutput:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, results: Results) -> None:
        """The next frame."""
        self._number += 1
        if self._output.draw:
            self._write_frame(results.draw(score_thr=0.0, boxes=self._output.boxes))
        frame_name = f"{self._name}_{self._number:06d}"
        self._output.write_data(results, frame_name, f"{self._video.name}#{self._number}")

    def _write_frame(self, drawn: np.ndarray) -> None:
        import cv2

        if self._writer is None:
            path = self._output.out / f"{self._name}.mp4"
            size = (drawn.shape[1], drawn.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(path), code, self._rate, size)
            if not self._writer.isOpened():
                raise OSError(f"{path}: OpenCV cannot write a video of {size[0]} x {size[1]} there")
        self._writer.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))


def _instance_map(results: Results) -> Image.Image:
    """0 for background, else the instance's number; the better ones lie on top.

    Numbers up to 255 have their class's colour, so that the picture can be looked at.
    """
    many = len(results) > 255
    numbers = np.zeros(results.image_size, np.uint16 if many else np.uint8)
    for i in reversed(range(len(results))):
        crop = results.crops[i]
        rows, columns = crop.mask.shape
        numbers[crop.y : crop.y + rows, crop.x : crop.x + columns][crop.mask] = i + 1
    picture: Image.Image = Image.fromarray(numbers)
    if not many:
        picture = picture.convert("P")
        colors = [(0, 0, 0), *(class_color(int(label)) for label in results.labels)]
        picture.putpalette([value for color in colors for value in color])
    return picture
