"""The results of prediction on one image: boxes, scores, names and masks, in all common formats.

The module needs numpy alone (and pillow for drawing), so that predictors without PyTorch can use
it.

Shapes: N instances, H x W pixels of the image.
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

    ``len(results)`` is the number of instances. Indexing with a number, a slice, an array of
    indices or a boolean array such as ``results.scores > 0.5`` selects instances.

    Attributes:
        image_size: height and width of the image.
        boxes: (N, 4) float32, xyxy in the image's pixels.
        scores: (N,) float32.
        labels: (N,) int64, index into ``class_names``.
        crops: N masks, each the part of the image that holds its pixels.
        class_names: the name of every label.
        path: the image's file; None if the image did not come from a file.
        image: the image, not copied, if it did not come from a file: (H, W, 3) uint8 RGB, or the
            predictor's ``pixel_format``; else None.

    Raises:
        ValueError: the arrays differ in length, a label has no name, or a crop lies outside the
            image.
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
            raise ValueError(
                f"expected equal numbers of boxes, scores, labels and crops, got {lengths}"
            )
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
                    f"crop of {columns} x {rows} pixels at ({crop.x}, {crop.y}): expected inside "
                    f"the image of {width} x {height}"
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
        """The N class names."""
        return [self.class_names[label] for label in self.labels]

    @property
    def masks(self) -> np.ndarray:
        """The masks as (N, H, W) bool; each access creates a new array."""
        masks = np.zeros((len(self), *self.image_size), bool)
        for mask, crop in zip(masks, self.crops, strict=True):
            rows, columns = crop.mask.shape
            mask[crop.y : crop.y + rows, crop.x : crop.x + columns] = crop.mask
        return masks

    @property
    def rles(self) -> list[dict]:
        """The N masks as RLEs in COCO's format: ``size`` [H, W] and ``counts``, a string."""
        return [as_text(encode_crop(crop, self.image_size)) for crop in self.crops]

    @property
    def areas(self) -> np.ndarray:
        """The number of pixels of each mask, (N,) int64."""
        return np.array([np.count_nonzero(crop.mask) for crop in self.crops], np.int64)

    @property
    def polygons(self) -> list[list[np.ndarray]]:
        """The exact outlines: :meth:`to_polygons` with ``tolerance`` 0."""
        return self.to_polygons()

    def to_polygons(self, tolerance: float = 0.0) -> list[list[np.ndarray]]:
        """Convert the masks to outlines along the pixels' edges.

        A hole is joined to its part's outline by a cut of no width, so that each part is one ring.
        With ``tolerance`` 0, filling the rings gives the exact mask.

        Args:
            tolerance: largest distance from the exact outline, in pixels; 1 removes most points.

        Returns:
            Per instance, one (K, 2) float32 array per part, xy in the image's pixels.
        """
        from condinst.masks.polygons import trace

        return [trace(crop.mask, crop.x, crop.y, tolerance) for crop in self.crops]

    def draw(
        self, image: np.ndarray | None = None, *, score_thr: float = 0.3, boxes: bool = True
    ) -> np.ndarray:
        """Draw the instances on the image.

        Args:
            image: (H, W, 3) uint8 RGB to draw on instead of the image itself.
            score_thr: instances with a lower score are not drawn.
            boxes: whether to draw boxes around the masks.

        Returns:
            (H, W, 3) uint8 RGB.

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
        """Write the image with its instances to a file.

        Args:
            path: the file; its suffix sets the format.
            image, score_thr, boxes: as for :meth:`draw`.

        Raises:
            ValueError: ``path`` is the image's own file or has no suffix of an image file, or see
                :meth:`draw`.
        """
        from PIL import Image

        path = Path(path)
        if self.path is not None and path.exists() and path.samefile(self.path):
            raise ValueError(f"{path}: this is the image itself; choose another name")
        drawn: Image.Image = Image.fromarray(self.draw(image, score_thr=score_thr, boxes=boxes))
        kind = Image.registered_extensions().get(path.suffix.lower())
        if kind is None:
            raise ValueError(f"{path}: expected a name that ends as an image file's, such as .jpg")
        buffer = io.BytesIO()  # Pillow's JPEG writer does not report a full disk
        drawn.save(buffer, kind, quality=92)
        write_whole(path, buffer.getvalue())
        return path

    def read_image(self) -> np.ndarray:
        """Return the image for display, (H, W, 3) uint8 RGB; read it from its file if necessary.

        16-bit values are stretched; of many channels, the first three are used.

        Raises:
            ValueError: there is neither image nor path, or the file's image now has another size.
        """
        if self.image is not None:
            return to_display(self.image)
        if self.path is None:
            raise ValueError("these results have neither image nor path: pass image=")
        from condinst.images.sources import read_for_display

        return read_for_display(self.path, self.image_size)

    def to_coco(
        self, image_id: int | str = 0, category_ids: Sequence[int] | None = None
    ) -> list[dict]:
        """Convert to the detections of COCO's result files, with masks as RLEs.

        Args:
            image_id: id of the image in the annotation file.
            category_ids: the category id of every label; None for COCO's own ids with COCO's 80
                classes, else label + 1.

        Raises:
            ValueError: there is not one category id per class.
        """
        from condinst.results.formats import to_coco

        rows = self.labels, self.scores, self.boxes, self.rles
        return to_coco(*rows, self.class_names, image_id, category_ids)

    def to_labelme(self, tolerance: float = 1.0, image_path: str | None = None) -> dict:
        """Convert to the content of a labelme file: a polygon per part, the parts as a group.

        Args:
            tolerance: see :meth:`to_polygons`.
            image_path: path of the image, relative to the labelme file's folder; None if the image
                is in that folder.
        """
        from condinst.results.formats import to_labelme

        if image_path is None:
            image_path = Path(self.path).name if self.path is not None else ""
        rows = self.names, self.scores, self.boxes, self.to_polygons(tolerance)
        return to_labelme(*rows, self.image_size, image_path)

    def to_supervision(self) -> Any:
        """Convert to ``supervision.Detections``, with ``class_name`` in its data.

        Raises:
            ImportError: supervision is not installed.
        """
        from condinst.results.formats import to_supervision

        return to_supervision(self.labels, self.scores, self.boxes, self.masks, self.names)

    def to_dict(self) -> dict:
        """Convert everything except the image's pixels to values that JSON can hold."""
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
        """Convert :meth:`to_dict` to JSON text."""
        return json.dumps(self.to_dict(), indent=indent)
