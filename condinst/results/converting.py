"""Results in the formats of other programs and libraries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from condinst.masks.label_map import draw_label_map
from condinst.results.drawing import DrawnFields
from condinst.utils.arguments import hinting

if TYPE_CHECKING:
    import pandas
    import supervision

__all__ = ["ConvertedFields"]


class ConvertedFields(DrawnFields):
    """The methods of :class:`condinst.Results` that convert to other formats."""

    @hinting
    def to_coco(
        self, image_id: int | str = 0, category_ids: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Convert to the detections of COCO's result files, with masks as RLEs.

        Args:
            image_id: id of the image in the annotation file.
            category_ids: the category id of every label; None for COCO's own ids with COCO's 80
                classes, else label + 1.

        Raises:
            ValueError: there is not one category id, a whole number, per class.
        """
        from condinst.results.formats import to_coco, with_tracks

        rows = self.labels, self.scores, self.boxes, self.rles
        found = to_coco(*rows, self.class_names, image_id, category_ids)
        return with_tracks(found, self.track_ids)

    @hinting
    def to_labelme(self, tolerance: float = 1.0, image_path: str | None = None) -> dict[str, Any]:
        """Convert to the content of a labelme file: a polygon per part, the parts as a group.

        Args:
            tolerance: see :meth:`to_polygons`.
            image_path: path of the image, relative to the labelme file's folder; None if the image
                is in that folder.
        """
        from condinst.results.formats import to_labelme

        if image_path is None:
            image_path = Path(self.path).name if self.path is not None else ""
        rows = self.names.tolist(), self.scores, self.boxes, self.to_polygons(tolerance)
        return to_labelme(*rows, self.image_size, image_path)

    @hinting
    def to_label_map(self, min_visible: float = 0.0) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """Convert to one number for each pixel: 0 for background, i + 1 for instance i.

        Where instances overlap, a pixel belongs to the one with the higher score. Results are
        sorted by score as a predictor returns them; of equal scores the first one counts.

        Args:
            min_visible: an instance is left out if less than this fraction of its mask is free of
                instances with higher scores; 0 leaves out nothing. Values around 0.5 remove
                objects that were found twice.

        Returns:
            (H, W), uint16 up to 65,535 instances, else uint32. Numbers of instances without a
            visible pixel are missing.

        Raises:
            ValueError: ``min_visible`` is not from 0 to 1.
        """
        order = np.argsort(-self.scores, kind="stable")
        drawn = draw_label_map([self.crops[i] for i in order], self.image_size, min_visible)
        if np.array_equal(order, np.arange(len(self))):
            return drawn
        numbers: NDArray[Any] = np.append(0, order + 1).astype(drawn.dtype)  # those in ``self``
        return numbers[drawn]

    @hinting
    def to_supervision(self) -> supervision.Detections:
        """Convert to ``supervision.Detections``, with ``class_name`` in its data and its tracks.

        Raises:
            ImportError: supervision is not installed.
        """
        from condinst.results.formats import to_supervision

        rows = self.labels, self.scores, self.boxes, self.masks, self.names
        return to_supervision(*rows, self.track_ids)

    @hinting
    def to_dataframe(self) -> pandas.DataFrame:
        """Convert to a table with one row per instance.

        Its columns are ``name``, ``label``, ``score``, ``x1``, ``y1``, ``x2``, ``y2`` (the box, in
        the image's pixels), and ``area`` (the mask's pixels).

        Raises:
            ImportError: pandas is not installed.
        """
        from condinst.results.formats import to_dataframe

        return to_dataframe(self.names, self.labels, self.scores, self.boxes, self.areas)

    @hinting
    def to_dict(self) -> dict[str, Any]:
        """Convert everything except the image's pixels to values that JSON can hold.

        :meth:`~condinst.Results.from_dict` reads them back.
        """
        from condinst.results.formats import with_tracks

        names = self.names.tolist()
        rows = zip(self.labels, names, self.scores, self.boxes, self.rles, strict=True)
        instances = [
            dict(label=int(label), name=name, score=float(score), box=box.tolist(), mask=rle)
            for label, name, score, box, rle in rows
        ]
        return dict(
            path=self.path,
            height=self.image_size[0],
            width=self.image_size[1],
            class_names=list(self.class_names),
            instances=with_tracks(instances, self.track_ids),
        )

    @hinting
    def to_json(self, indent: int | None = None) -> str:
        """Convert :meth:`to_dict` to JSON text, which :meth:`~condinst.Results.from_json` reads.

        Args:
            indent: spaces in front of each level; None for one line.
        """
        return json.dumps(self.to_dict(), indent=indent)
