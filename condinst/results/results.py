"""What a detector found on one image: boxes, scores, names and masks, in every usual form.

Needs numpy alone (pillow for drawing), so that it serves a predictor without PyTorch as well.

Letters in the comments: N = instances, H, W = height and width of the image in pixels.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from condinst.images.pixel_format import to_display
from condinst.masks.crop import Crop
from condinst.masks.rle import as_text, encode_crop
from condinst.utils.files import write_whole

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Results"]


class Results:
    """The instances of one image, best first.

    ``len(results)`` is their number; ``results[i]``, a slice, an array of indices or a boolean
    array such as ``results.scores > 0.5`` choose some of them.

    Attributes:
        image_size: height and width of the image.
        boxes: (N, 4) float32, xyxy in the image's pixels.
        scores: (N,) float32.
        labels: (N,) int64, index into ``class_names``.
        crops: N masks, each the part of the image that holds its pixels.
        class_names: the name of every label.
        path: the image's file, if it came from one.
        image: the image itself where it came from no file, not copied: (H, W, 3) uint8 RGB, or
            what the predictor's ``pixel_format`` says.
    """

    def __init__(
        self,
        *,
        image_size: tuple[int, int],
        boxes: Any,
        scores: Any,
        labels: Any,
        crops: Sequence[Crop],
        class_names: Sequence[str],
        path: str | os.PathLike | None = None,
        image: np.ndarray | None = None,
    ) -> None:
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        self.scores = np.asarray(scores, np.float32)
        self.labels = np.asarray(labels, np.int64)
        self.crops = list(crops)
        self.class_names = tuple(class_names)
        self.path = None if path is None else os.fspath(path)
        self.image = image
        self._check()

    def _check(self) -> None:
        lengths = {
            name: len(getattr(self, name)) for name in ("boxes", "scores", "labels", "crops")
        }
        if len(set(lengths.values())) != 1:
            raise ValueError(f"expected as many boxes, scores, labels and crops, got {lengths}")
        if len(self) and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise ValueError(
                f"labels: expected 0 to {len(self.class_names) - 1}, "
                f"got {np.unique(self.labels).tolist()}"
            )
        height, width = self.image_size
        for crop in self.crops:
            rows, columns = crop.mask.shape
            if not (0 <= crop.y <= height - rows and 0 <= crop.x <= width - columns):
                raise ValueError(
                    f"crop of {columns} x {rows} pixels at ({crop.x}, {crop.y}): expected inside a "
                    f"image of {width} x {height}"
                )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: int | slice | Sequence | np.ndarray) -> Results:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        return Results(
            image_size=self.image_size,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            labels=self.labels[chosen],
            crops=[self.crops[i] for i in chosen],
            class_names=self.class_names,
            path=self.path,
            image=self.image,
        )

    def __iter__(self) -> Iterator[Results]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        found = ", ".join(f"{count} {name}" for name, count in Counter(self.names).items())
        height, width = self.image_size
        return f"Results({self.path or 'image'}, {width} x {height}: {found or 'nothing'})"

    @property
    def names(self) -> list[str]:
        """N class names."""
        return [self.class_names[label] for label in self.labels]

    @property
    def masks(self) -> np.ndarray:
        """(N, H, W) bool; made anew by every call."""
        masks = np.zeros((len(self), *self.image_size), bool)
        for mask, crop in zip(masks, self.crops, strict=True):
            rows, columns = crop.mask.shape
            mask[crop.y : crop.y + rows, crop.x : crop.x + columns] = crop.mask
        return masks

    @property
    def rles(self) -> list[dict]:
        """N run-length codes as COCO's files have them: ``size`` [H, W], ``counts`` a string."""
        return [as_text(encode_crop(crop, self.image_size)) for crop in self.crops]

    @property
    def areas(self) -> np.ndarray:
        """(N,) int64, pixels of the masks."""
        return np.array([np.count_nonzero(crop.mask) for crop in self.crops], np.int64)

    @property
    def polygons(self) -> list[list[np.ndarray]]:
        """Exact outlines: for every instance one (K, 2) array per part, see :meth:`to_polygons`."""
        return self.to_polygons()

    def to_polygons(self, tolerance: float = 0.0) -> list[list[np.ndarray]]:
        """Outlines along the pixels' edges, xy in the image's pixels, float32.

        A hole is joined to its part's outline by a cut of no width, so that each part is one ring
        whose filling is the mask: to the pixel with ``tolerance`` 0.

        Args:
            tolerance: how far from the exact outline it may run, in pixels; 1 leaves a small part
                of the points.
        """
        from condinst.masks.polygons import trace

        return [trace(crop.mask, crop.x, crop.y, tolerance) for crop in self.crops]

    def draw(
        self, image: np.ndarray | None = None, *, score_thr: float = 0.3, boxes: bool = True
    ) -> np.ndarray:
        """The image with its instances on it, (H, W, 3) uint8 RGB.

        Args:
            image: (H, W, 3) uint8 RGB to draw on instead of the image itself.
            score_thr: an instance with a score below is not drawn.
            boxes: whether boxes are drawn around the masks.

        Raises:
            ValueError: there is no image, or it has another size.
        """
        from condinst.visualization.instances import draw_instances

        if image is None:
            image = self.read_image()
        return draw_instances(image, self, self.class_names, score_thr, boxes=boxes)

    def save(
        self,
        path: str | os.PathLike,
        image: np.ndarray | None = None,
        *,
        score_thr: float = 0.3,
        boxes: bool = True,
    ) -> Path:
        """Write the image with its instances on it; the arguments are those of :meth:`draw`.

        Raises:
            ValueError: ``path`` is the image's own file, or see :meth:`draw`.
        """
        from PIL import Image

        path = Path(path)
        if self.path is not None and path.exists() and path.samefile(self.path):
            raise ValueError(f"{path}: this is the image itself; choose another name")
        drawn: Image.Image = Image.fromarray(self.draw(image, score_thr=score_thr, boxes=boxes))
        kind = Image.registered_extensions().get(path.suffix.lower())
        if kind is None:
            raise ValueError(f"{path}: expected a name that ends as an image file's, such as .jpg")
        buffer = io.BytesIO()  # Pillow's JPEG writer says nothing of a full disk
        drawn.save(buffer, kind, quality=92)
        write_whole(path, buffer.getvalue())
        return path

    def read_image(self) -> np.ndarray:
        """The image to look at, (H, W, 3) uint8 RGB: the one at hand, or that of the file.

        16-bit values are stretched, of many channels the first three shown.

        Raises:
            ValueError: there is neither, or the file's image has another size by now.
        """
        if self.image is not None:
            return to_display(self.image)
        if self.path is None:
            raise ValueError("these results hold no image and no path; hand over image=")
        from condinst.images.sources import read_for_display

        return read_for_display(self.path, self.image_size)

    def to_coco(
        self, image_id: int | str = 0, category_ids: Sequence[int] | None = None
    ) -> list[dict]:
        """Detections as COCO's result files have them, masks as run-length codes.

        Args:
            image_id: of the image in the annotation file.
            category_ids: the id of every label; None for COCO's own with COCO's 80 classes, else
                label + 1.
        """
        from condinst.results.formats import to_coco

        rows = self.labels, self.scores, self.boxes, self.rles
        return to_coco(*rows, self.class_names, image_id, category_ids)

    def to_labelme(self, tolerance: float = 1.0, image_path: str | None = None) -> dict:
        """The content of a labelme file: one polygon per part of an instance, parts as a group.

        Args:
            tolerance: see :meth:`to_polygons`.
            image_path: of the image, from the labelme file's folder; None for the same folder.
        """
        from condinst.results.formats import to_labelme

        if image_path is None:
            image_path = Path(self.path).name if self.path is not None else ""
        rows = self.names, self.scores, self.boxes, self.to_polygons(tolerance)
        return to_labelme(*rows, self.image_size, image_path)

    def to_supervision(self) -> Any:
        """``supervision.Detections``, with ``class_name`` in its data.

        Raises:
            ImportError: supervision is not installed.
        """
        from condinst.results.formats import to_supervision

        return to_supervision(self.labels, self.scores, self.boxes, self.masks, self.names)

    def to_dict(self) -> dict:
        """Everything but the pixels, as JSON can hold it."""
        rows = zip(self.labels, self.names, self.scores, self.boxes, self.rles, strict=True)
        return dict(
            path=self.path,
            height=self.image_size[0],
            width=self.image_size[1],
            instances=[
                dict(label=int(label), name=name, score=float(score), box=box.tolist(), mask=rle)
                for label, name, score, box, rle in rows
            ],
        )

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=indent)
