"""mmdet's Albu, with masks of any kind and the current releases of albumentations."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from mmdet.datasets.transforms import Albu as MMDetAlbu
from mmdet.structures.bbox import HorizontalBoxes, autocast_box_type

from condinst.masks.crop_masks import CropMasks
from condinst.registry import TRANSFORMS
from condinst.utils.optional import import_failure

__all__ = ["Albu"]

_FIELDS = ("gt_bboxes_labels", "gt_ignore_flags", "gt_instances_ids")


@TRANSFORMS.register_module()
class Albu(MMDetAlbu):
    """``Albu`` of mmdet for masks of any kind, images without objects, and albumentations 2.

    mmdet takes bitmaps only, and passes what albumentations 2 and albumentationsx refuse: an empty
    list of masks, and boxes as a list. The config keys are those of mmdet. Masks become crops.

    Random numbers follow from numpy's, so that a seeded training is repeatable with
    albumentations 2 too. Boxes and masks stay together: an object whose box albumentations drops
    loses its mask, whether ``filter_lost_elements`` is set or not.

    Args:
        transforms, bbox_params, keymap, skip_img_without_anno: see mmdet.

    Raises:
        ValueError: albumentations is not installed, does not have a transform, or does not accept
            its arguments; or a transform turns an image into float64.
    """

    def __init__(
        self,
        transforms: list[dict],
        bbox_params: dict | None = None,
        keymap: dict | None = None,
        skip_img_without_anno: bool = False,
    ) -> None:
        settings = {"type": "BboxParams", "format": "pascal_voc", **(bbox_params or {})}
        settings["format"] = settings.pop("coord_format", settings["format"])
        if settings["format"] != "pascal_voc":
            raise ValueError(
                f"Albu: bbox_params.format={settings['format']!r}: expected 'pascal_voc', which "
                "the boxes of mmdet are"
            )
        # the indices of the boxes that are left say which labels, flags and masks are
        settings["label_fields"] = ["kept"]
        settings.pop("filter_lost_elements", None)
        self._is_x = "coord_format" in _arguments_of_boxes()  # albumentationsx
        if self._is_x:
            settings["coord_format"] = settings.pop("format")
        try:
            super().__init__(transforms, settings, keymap, skip_img_without_anno)
        except RuntimeError as error:  # mmdet does not tell why the import failed
            raise ValueError(_why_not_imported(error)) from None
        except (AttributeError, TypeError, ValueError) as error:
            text = " ".join(str(error).split())
            raise ValueError(f"Albu: the installed albumentations does not fit: {text}") from error

    @autocast_box_type()
    def transform(self, results: dict) -> dict | None:
        names = self.keymap_to_albu
        given: dict[str, Any] = {names.get("img", "image"): np.ascontiguousarray(results["img"])}
        boxes = results.get("gt_bboxes")
        if boxes is not None:
            if not isinstance(boxes, HorizontalBoxes):
                raise ValueError("Albu: expected horizontal boxes")
            size = results["img"].shape[:2]
            corners = np.clip(boxes.numpy(), 0, [*size[::-1], *size[::-1]]).astype(np.float32)
            given["kept"] = np.flatnonzero((corners[:, 2:] > corners[:, :2]).all(axis=1))
            given[names.get("gt_bboxes", "bboxes")] = corners[given["kept"]]
        masks = results.get("gt_masks")
        if masks is not None and len(masks):
            drawn = CropMasks(CropMasks.of(masks).crops, masks.height, masks.width).masks
            given[names.get("gt_masks", "masks")] = drawn if self._is_x else list(drawn)
        if results.get("gt_seg_map") is not None:
            given["mask"] = results["gt_seg_map"]
        if boxes is None or not len(boxes):  # nothing to keep
            given[names.get("gt_bboxes", "bboxes")] = np.zeros((0, 4), np.float32)
            given["kept"] = np.zeros(0, np.int64)
        if hasattr(self.aug, "set_random_seed"):  # albumentations 2 has generators of its own
            self.aug.set_random_seed(int(np.random.randint(2**31)))
        found = self.aug(**given)
        results["img"] = image = found[names.get("img", "image")]
        if image.dtype == np.float64:  # such as RandomGamma on 16 bits, whose values are wrong
            raise ValueError(
                f"{results.get('img_path')}: Albu: a transform made float64 of "
                f"{given[names.get('img', 'image')].dtype}, which it does not take; leave it out"
            )
        size = results["img_shape"] = results["img"].shape[:2]
        if "mask" in given:
            results["gt_seg_map"] = found["mask"]
        if boxes is None:
            return results
        kept = np.asarray(found["kept"], np.int64).reshape(-1)
        if not len(kept) and self.skip_img_without_anno:
            return None
        new = np.asarray(found[names.get("gt_bboxes", "bboxes")], np.float32).reshape(-1, 4)
        for key in _FIELDS:
            if results.get(key) is not None:
                results[key] = results[key][kept]
        results["gt_bboxes"] = HorizontalBoxes(new)
        if masks is not None:
            new_masks = found.get(names.get("gt_masks", "masks"), [])
            flags = CropMasks.of(masks).box_only[kept]
            kept_masks = [np.asarray(new_masks[i]) for i in kept]
            results["gt_masks"] = CropMasks(kept_masks, size[0], size[1], flags)
        return results


def _why_not_imported(error: RuntimeError) -> str:
    try:
        import albumentations  # noqa: F401
    except ImportError as failure:
        remedy = "pip install albumentations"
        return str(import_failure("Albu needs albumentations", "albumentations", remedy, failure))
    return f"Albu: {error}"


def _arguments_of_boxes() -> tuple[str, ...]:
    """Return the arguments of the installed albumentations' ``BboxParams``."""
    try:
        import albumentations
    except ImportError:
        return ()
    return tuple(inspect.signature(albumentations.BboxParams).parameters)
