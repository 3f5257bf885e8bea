"""COCO's dataset for training and testing, from the records of :mod:`condinst.datasets.coco`."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset as MmdetCocoDataset
from mmengine.fileio import get_local_path

from condinst.datasets.coco.coco_records import CocoFile
from condinst.datasets.coco.file_cache import take_file
from condinst.registry import DATASETS

__all__ = ["CocoDataset"]


@DATASETS.register_module()
class CocoDataset(MmdetCocoDataset):
    """mmdet's ``CocoDataset`` with a reader that checks and fixes the file.

    Arguments and samples are mmdet's. Values that
    :class:`~condinst.datasets.coco.coco_records.CocoFile` fixes are fixed here too. Numbers stay in
    arrays until a sample is loaded.

    Args:
        args, kwargs: mmdet's.
        allow_box_only: whether an object without a segmentation, or with an empty one, is learned
            from its box alone; otherwise ``LoadAnnotations(with_mask=True)`` ignores it. Crowds are
            ignored in any case. The model needs ``box_supervision``, and the pipeline
            ``PrepareMixedTargets``.

    Raises:
        ValueError: the file is missing, has not COCO's layout, or cannot be trained on; the
            message names the file and its entries.
    """

    def __init__(self, *args: Any, allow_box_only: bool = False, **kwargs: Any) -> None:
        self.allow_box_only = allow_box_only
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return mmdet's dict for each image, in the file's order, with masks as arrays."""
        with get_local_path(self.ann_file, backend_args=self.backend_args) as path:
            try:
                file = take_file(str(path))
            except ValueError as error:
                raise ValueError(f"{self.ann_file}: {error}") from None
        if file.problems:
            listed = "".join(f"\n  {n}. {text}" for n, text in enumerate(file.problems, 1))
            raise ValueError(f"{self.ann_file}: cannot be used as it is:{listed}")
        names = self.metainfo["classes"]
        self.cat_ids = [key for key, name in file.categories if name in names]
        self.cat2label = {key: label for label, key in enumerate(self.cat_ids)}
        self.cat_img_map = {
            key: [file.image_ids[i] for i in file.image_index[file.category_index == place]]
            for place, (key, _) in enumerate(file.categories)
        }
        infos = [
            self.parse_data_info(
                {
                    "raw_img_info": {**image, "img_id": image["id"]},
                    "raw_ann_info": _annotations(file, chosen),
                }
            )
            for image, chosen in zip(file.images, file.annotations_of_image, strict=True)
        ]
        if self.allow_box_only:
            for info in infos:
                _mark_box_only(info["instances"])
        return infos

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return mmdet's sample at ``idx``, with masks as lists."""
        info = super().get_data_info(idx)
        for instance in info["instances"]:
            mask = instance.get("mask")
            if isinstance(mask, list):
                instance["mask"] = [
                    part.tolist() if isinstance(part, np.ndarray) else part for part in mask
                ]
        return info


def _mark_box_only(instances: list[dict[str, Any]]) -> None:
    for instance in instances:
        mask = instance.get("mask") or ()
        if not instance["ignore_flag"] and not (
            isinstance(mask, dict) or any(len(polygon) for polygon in mask)
        ):
            instance.pop("mask", None)
            instance["box_only"] = True


def _annotations(file: CocoFile, chosen: np.ndarray) -> list[dict[str, Any]]:
    """Return the annotation dicts of an image that mmdet parses."""
    columns = zip(
        chosen.tolist(),
        file.boxes[chosen].tolist(),
        file.areas[chosen].tolist(),
        file.category_index[chosen].tolist(),
        file.crowd[chosen].tolist(),
        file.ignore[chosen].tolist(),
        strict=True,
    )
    return [
        {
            "bbox": box,
            "area": area,
            "category_id": file.categories[category][0],
            "iscrowd": crowd,
            "ignore": ignore,
            "segmentation": file.rles.get(index) or file.polygons(index),
        }
        for index, box, area, category, crowd, ignore in columns
    ]
