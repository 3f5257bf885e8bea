"""Fix one annotation file: categories, images, ids, then each object by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from condinst.data_report.examination import Examination
from condinst.data_report.fix_masks import FixedAnnotation, fix_annotation
from condinst.data_report.issue_types import KINDS
from condinst.datasets.coco.coco_entries import Segmentation
from condinst.datasets.coco.image_sizes import file_sizes, sizes_of_files

__all__ = ["Change", "FileCopy"]

_BY_BOX = (
    "degenerate_box",
    "tiny_box",
    "box_outside",
    "box_partly_outside",
    "box_mask",
)
_NO_IMAGE = ("missing_file", "unreadable_file", "image_id_twice", "same_pixels", "leak")


@dataclass(frozen=True)
class Change:
    """One change to an annotation file.

    Attributes:
        issue: the key of the issue's kind.
        action: what was done, in words.
        annotation, image: ids in the original file, where they apply.
        file: the file name of the image.
    """

    issue: str
    action: str
    annotation: Any = None
    image: Any = None
    file: str = ""


class FileCopy:
    """The lists of an annotation file while they are fixed; dropped entries become None."""

    def __init__(self, examination: Examination) -> None:
        self._of = examination
        self._file = examination.source.file
        self._images: list[dict | None] = list(self._file.images)
        self._annotations: list[dict | None] = [
            self._file.annotation(i) for i in range(examination.source.num_annotations)
        ]
        for i in examination.masks.other_size:  # the size of the image may be wrong, not the RLE
            self._annotations[i] = self._file.annotation(i) | {"segmentation": self._file.rles[i]}
        self._image_of = self._file.image_index.copy()  # (A,) current image of each annotation
        self.changes: list[Change] = []

    def fixed(self) -> dict[str, Any]:
        """Fix everything and return the content of the file."""
        self._note_values()
        categories = self._fix_categories()
        self._fix_images()
        self._fix_ids()
        self._fix_objects()
        data = self._file.head | {
            "images": [image for image in self._images if image is not None],
            "categories": categories,
        }
        if self._file.has_annotations:
            data["annotations"] = [ann for ann in self._annotations if ann is not None]
        return data

    def _annotations_with(self, key: str) -> list[int]:
        """Return the annotations with an issue that have not been dropped."""
        issue = self._of.issues.get(key)
        return [i for i in issue.annotations if self._annotations[i] is not None] if issue else []

    def _images_with(self, key: str) -> list[int]:
        issue = self._of.issues.get(key)
        return [i for i in issue.images if self._images[i] is not None] if issue else []

    def _note(
        self, issue: str, action: str, *, annotation: int | None = None, image: int | None = None
    ) -> None:
        if image is None and annotation is not None and self._image_of[annotation] >= 0:
            image = int(self._image_of[annotation])
        self.changes.append(
            Change(
                issue,
                action,
                None if annotation is None else self._file.ann_ids[annotation],
                None if image is None else self._file.image_ids[image],
                "" if image is None else self._file.file_names[image],
            )
        )

    def _drop(self, issue: str, annotations: Iterable[int], why: str = "dropped") -> None:
        for i in annotations:
            if self._annotations[i] is not None:
                self._note(issue, f"annotation {why}", annotation=i)
                self._annotations[i] = None

    def _drop_image(self, issue: str, image: int) -> None:
        self._note(issue, "image dropped", image=image)
        self._images[image] = None
        self._drop(issue, np.flatnonzero(self._image_of == image), "dropped with its image")

    def _note_values(self) -> None:
        """Rewrite corner boxes, and note the values that reading has already fixed."""
        if "corner_boxes" in self._of.issues:
            self._note("corner_boxes", "all boxes rewritten as x, y, width, height")
            for i, ann in enumerate(self._annotations):
                if ann is not None and "bbox" in ann:
                    x1, y1, x2, y2 = ann["bbox"]
                    self._annotations[i] = ann | {"bbox": [x1, y1, x2 - x1, y2 - y1]}
        for key, action in (("other_type", "written as it was read"), ("wrong_flag", "set to 0")):
            for item in self._of.issues[key].items if key in self._of.issues else ():
                self._note(key, action, annotation=item.annotation, image=item.image)

    def _fix_categories(self) -> list[dict]:
        kept: list[dict] = []
        ids: dict[str, Any] = {}
        moved: dict[Any, Any] = {}
        seen = set()
        for category in self._file.category_entries:
            key, name = category["id"], category["name"]
            if key in seen:
                self._note("category_id_twice", f"class {name!r} (id {key!r}) dropped")
            elif name in ids:
                moved[key] = ids[name]
                self._note(
                    "category_name_twice", f"class {name!r}: id {key!r} joined to {ids[name]!r}"
                )
            else:
                kept.append(category)
                ids[name] = key
            seen.add(key)
        for i, ann in enumerate(self._annotations):
            if ann is not None and ann.get("category_id") in moved:
                self._annotations[i] = ann | {"category_id": moved[ann["category_id"]]}
        return kept

    def _fix_images(self) -> None:
        first = {}
        for i, image_id in reversed(list(enumerate(self._file.image_ids))):
            first[image_id] = i
        # reading gives the annotations to the last image of an id
        if self._images_with("image_id_twice"):
            for a, ann in enumerate(self._annotations):
                if ann is not None and self._image_of[a] >= 0:
                    self._image_of[a] = first[ann["image_id"]]
        self._join_images()
        for issue in _NO_IMAGE:
            for i in self._images_with(issue):
                self._drop_image(issue, i)
        headers = {
            i: (header.height, header.width, header.orientation >= 5)
            for issue in ("image_size", "flat_image")
            for i in self._images_with(issue)
            if (header := self._of.facts.headers[i]) is not None
        }
        sizes = sizes_of_files(self._file, headers)
        for issue in ("image_size", "flat_image"):
            for i in self._images_with(issue):
                self._fix_size(issue, i, sizes.get(i))

    def _join_images(self) -> None:
        names: dict[str, int] = {}
        for i, name in enumerate(self._file.file_names):
            names.setdefault(name, i)
        for i in self._images_with("image_file_twice"):
            kept = names[self._file.file_names[i]]
            image = self._images[kept]
            assert image is not None  # images are dropped later
            for a in np.flatnonzero(self._image_of == i):
                ann = self._annotations[a]
                if ann is not None:
                    self._annotations[a] = ann | {"image_id": image["id"]}
                    self._image_of[a] = kept
            self._note("image_file_twice", "image joined to the first of its file", image=i)
            self._images[i] = None

    def _fix_size(self, issue: str, index: int, size: tuple[int, int] | None) -> None:
        """Write the file's size if it is given or the image has RLEs of it, or drop the image."""
        objects = [
            ann
            for a in np.flatnonzero(self._image_of == index)
            if (ann := self._annotations[a]) is not None
        ]
        sizes = [size] if size is not None else self._file_sizes(index)
        for height, width in sizes:
            if size is not None or all(_is_rle_of(ann, height, width) for ann in objects):
                image = self._images[index]
                assert image is not None
                self._images[index] = image | {"height": height, "width": width}
                self._note(issue, "the file's size written", image=index)
                return
        self._drop_image(issue, index)

    def _file_sizes(self, index: int) -> list[tuple[int, int]]:
        header = self._of.facts.headers[index]
        if header is None:
            return []
        return file_sizes((header.height, header.width, header.orientation >= 5))

    def _fix_ids(self) -> None:
        for issue in ("unknown_image", "unknown_category", "same_annotation"):
            self._drop(issue, self._annotations_with(issue))
        numbers = [i for i in self._file.ann_ids if isinstance(i, int)]
        free = max(numbers, default=0) + 1
        for i in self._annotations_with("annotation_id_twice"):
            ann = self._annotations[i]
            assert ann is not None
            self._annotations[i] = ann | {"id": free}
            self._note("annotation_id_twice", "new id", annotation=i)
            free += 1
        for i in self._annotations_with("no_crowd_flag"):
            ann = self._annotations[i]
            assert ann is not None
            self._annotations[i] = ann | {"iscrowd": 0}
            self._note("no_crowd_flag", "iscrowd set to 0", annotation=i)

    def _fix_objects(self) -> None:
        """Fix the mask, box and area of each annotation together."""
        crossings = [(c.annotation, c.place) for c in self._of.masks.crossings]
        filled, dropped = (
            _by_annotation(crossings),
            _by_annotation([*self._of.masks.short, *self._of.masks.flat]),
        )
        issues: dict[int, list[str]] = {}
        for key in KINDS:
            if "corner_boxes" in self._of.issues and key in _BY_BOX:
                continue  # the next pass compares the rewritten boxes
            for i in self._annotations_with(key):
                issues.setdefault(i, []).append(key)
        boxes_only = (self._file.segmentations == Segmentation.NONE).all()
        for i, keys in issues.items():
            ann, image = self._annotations[i], self._images[self._image_of[i]]
            if ann is None or image is None or self._image_of[i] < 0:
                continue
            size = int(image["height"]), int(image["width"])
            if _is_rle_of(ann, *size):  # the size of the image was fixed
                keys = [key for key in keys if key != "mask_size"]
            fixed = fix_annotation(
                ann,
                keys,
                size,
                filled=filled.get(i, set()),
                dropped=dropped.get(i, set()),
                boxes_only=boxes_only,
            )
            self._apply(i, fixed)

    def _apply(self, i: int, fixed: FixedAnnotation) -> None:
        for issue, action in fixed.actions:
            self._note(issue, action, annotation=i)
        self._annotations[i] = fixed.annotation


def _by_annotation(places: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for annotation, place in places:
        found.setdefault(annotation, set()).add(place)
    return found


def _is_rle_of(ann: dict[str, Any], height: int, width: int) -> bool:
    """Tell whether the mask is an RLE of this size."""
    mask = ann.get("segmentation")
    return isinstance(mask, dict) and mask.get("size") == [height, width]
