"""The data of results: boxes, scores, labels and masks of one image's instances.

Shapes: N instances, H x W pixels of the image.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from condinst.masks.crop import Crop
from condinst.masks.rle import as_text, encode_crop
from condinst.utils.arguments import check_number, did_you_mean, hinting

__all__ = ["Fields"]

# What other libraries call a field or a method, and what holds it here.
_ELSEWHERE = {
    **dict.fromkeys(("conf", "confidence", "confidences", "score", "probs"), "scores"),
    **dict.fromkeys(("cls", "class_id", "class_ids", "pred_classes", "category_id"), "labels"),
    **dict.fromkeys(("label",), "labels"),
    **dict.fromkeys(("class_name", "class_labels", "name"), "names"),
    "classes": "labels and names of the instances, or class_names",
    **dict.fromkeys(("bboxes", "pred_boxes", "bbox", "box"), "boxes"),
    **dict.fromkeys(("pred_masks", "segmentation", "segmentations", "mask"), "masks"),
    **dict.fromkeys(("xy", "contours", "polygon"), "polygons"),
    "rle": "rles",
    **dict.fromkeys(("tracker_id", "track_id", "id", "ids"), "track_ids"),
    **dict.fromkeys(
        ("filter", "select", "with_threshold"), 'results[results.scores > 0.5], results["person"]'
    ),
    **dict.fromkeys(
        ("save_txt", "to_yolo"), "to_polygons(); condinst predict --format yolo writes files"
    ),
    **dict.fromkeys(("to_csv", "to_parquet"), "to_dataframe()"),
    "save_crop": "read_image(), boxes and masks",
    "keypoints": "boxes and masks: these models find no keypoints",
    **dict.fromkeys(("orig_shape", "ori_shape", "img_shape"), "image_size"),
    **dict.fromkeys(("orig_img", "img"), "read_image()"),
    **dict.fromkeys(("to_df", "to_pandas", "pandas"), "to_dataframe()"),
    **dict.fromkeys(("tojson",), "to_json()"),
    **dict.fromkeys(("summary", "tolist"), "to_dict()"),
    **dict.fromkeys(("imshow", "display", "view"), "show()"),
    **dict.fromkeys(("visualize", "annotate", "render"), "draw()"),
    **dict.fromkeys(("area",), "areas"),
    **dict.fromkeys(("pred_instances", "instances", "detections"), "the results themselves"),
    **dict.fromkeys(("cpu", "numpy", "detach"), "the results themselves, which are numpy arrays"),
}


class Fields:
    """The instances of one image: see :class:`condinst.Results`."""

    def __init__(
        self,
        *,
        image_size: tuple[int, int],
        boxes: Any,
        scores: Any,
        labels: Any,
        crops: Sequence[Crop],
        class_names: Sequence[str],
        path: str | os.PathLike[str] | None = None,
        image: NDArray[Any] | None = None,
        track_ids: Any = None,
    ) -> None:
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.boxes: NDArray[np.float32] = np.asarray(boxes, np.float32).reshape(-1, 4)
        self.scores: NDArray[np.float32] = np.asarray(scores, np.float32)
        self.labels: NDArray[np.int64] = np.asarray(labels, np.int64)
        self.crops = list(crops)
        self.class_names = tuple(class_names)
        self.path = None if path is None else os.fspath(path)
        self.image = image
        self.track_ids: NDArray[np.int64] | None = (
            None if track_ids is None else np.asarray(track_ids, np.int64)
        )
        self._check()

    def _check(self) -> None:
        lengths = {
            name: len(getattr(self, name)) for name in ("boxes", "scores", "labels", "crops")
        }
        if self.track_ids is not None:
            lengths["track_ids"] = len(self.track_ids)
        if len(set(lengths.values())) != 1:
            raise ValueError(f"expected equal numbers of {', '.join(lengths)}, got {lengths}")
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

    def __repr__(self) -> str:
        found = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        height, width = self.image_size
        return f"Results({self.path or 'image'}, {width} x {height}: {found or 'nothing'})"

    def __eq__(self, other: object) -> bool:
        """Return whether two results hold the same instances of the same image.

        Path, size, names, labels, scores, boxes, masks and tracks are compared; the image's pixels
        and the names of classes without an instance are not.
        """
        if not isinstance(other, Fields):
            return NotImplemented
        return (
            self.path == other.path
            and self.image_size == other.image_size
            and len(self) == len(other)
            and np.array_equal(self.labels, other.labels)
            and np.array_equal(self.names, other.names)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.boxes, other.boxes)
            and self.rles == other.rles
            and np.array_equal(self.track_ids, other.track_ids)  # type: ignore[arg-type]
        )

    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise TypeError(
            "results are several arrays, not one: take results.boxes, .scores, .labels or .masks; "
            "for one row per instance, results.to_dataframe() or results.to_dict()['instances']"
        )

    if not TYPE_CHECKING:  # a type checker must not think that every name exists

        def __getattr__(self, name: str) -> NoReturn:
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name in _ELSEWHERE:
                raise AttributeError(f"{text}: see {_ELSEWHERE[name]}", name=name, obj=self)
            # without obj, or Python would add a suggestion of its own
            hint = did_you_mean(name, dir(type(self)))
            raise AttributeError(f"{text}{hint}", name=name)

    @property
    def names(self) -> NDArray[np.str_]:
        """The N class names, an array: ``results[results.names == "person"]``."""
        return np.array([self.class_names[label] for label in self.labels], dtype=np.str_)

    @property
    def counts(self) -> dict[str, int]:
        """The number of instances of each class that has any, most confident class first."""
        return dict(Counter(self.class_names[label] for label in self.labels))

    @property
    def xyxy(self) -> NDArray[np.float32]:
        """The boxes as left, top, right and bottom, (N, 4): the same array as ``boxes``."""
        return self.boxes

    @property
    def xywh(self) -> NDArray[np.float32]:
        """The boxes as left, top, width and height, (N, 4): COCO's form."""
        return np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)

    @property
    def cxcywh(self) -> NDArray[np.float32]:
        """The boxes as center x, center y, width and height, (N, 4): what YOLO calls xywh."""
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        return np.concatenate([(low + high) / 2, high - low], axis=1)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """The masks as (N, H, W) bool; each access creates a new array."""
        masks = np.zeros((len(self), *self.image_size), bool)
        for mask, crop in zip(masks, self.crops, strict=True):
            rows, columns = crop.mask.shape
            mask[crop.y : crop.y + rows, crop.x : crop.x + columns] = crop.mask
        return masks

    @property
    def rles(self) -> list[dict[str, Any]]:
        """The N masks as RLEs in COCO's format: ``size`` [H, W] and ``counts``, a string."""
        return [as_text(encode_crop(crop, self.image_size)) for crop in self.crops]

    @property
    def areas(self) -> NDArray[np.int64]:
        """The number of pixels of each mask, (N,) int64."""
        return np.array([np.count_nonzero(crop.mask) for crop in self.crops], np.int64)

    @property
    def polygons(self) -> list[list[NDArray[np.float32]]]:
        """The exact outlines: :meth:`to_polygons` with ``tolerance`` 0."""
        return self.to_polygons()

    @hinting
    def to_polygons(self, tolerance: float = 0.0) -> list[list[NDArray[np.float32]]]:
        """Convert the masks to outlines along the pixels' edges.

        A hole is joined to its part's outline by a cut of no width, so that each part is one ring.
        With ``tolerance`` 0, filling the rings gives the exact mask.

        Args:
            tolerance: largest distance from the exact outline, in pixels; 1 removes most points.

        Returns:
            Per instance, one (K, 2) float32 array per part, xy in the image's pixels.

        Raises:
            TypeError, ValueError: ``tolerance`` is not a number from 0 on.
        """
        from condinst.masks.polygons import trace

        check_number("tolerance", tolerance, "of pixels, 0 or more", 0)
        return [trace(crop.mask, crop.x, crop.y, tolerance) for crop in self.crops]
