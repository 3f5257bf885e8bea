"""The catalog of issues: how severe they are, what they mean, and what ``--fix`` does.

An "error" stops a run or lets it fail in the middle. A "warning" costs accuracy silently. An "ok"
issue is harmless here and may matter to other tools.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "IssueType"]


@dataclass(frozen=True)
class IssueType:
    """One kind of issue.

    Attributes:
        key: the identifier in JSON and CSV files.
        title: a few words for headings.
        status: "error", "warning" or "ok".
        meaning: the consequence for training, as a clause without a full stop.
        fix: what ``--fix`` does; empty if it changes nothing.
    """

    key: str
    title: str
    status: str
    meaning: str
    fix: str


_CROWD = (
    "the object becomes a crowd region of its box: it is neither learned nor counted, and "
    "detections of it are not errors; without a box in the image it is dropped"
)
_DROP = "the annotations are dropped"

_LISTED = [
    IssueType(
        "no_images",
        "no images",
        "error",
        "the list of images is empty; training and evaluation refuse the file",
        "",
    ),
    IssueType(
        "no_annotations",
        "no annotations",
        "error",
        "the list of annotations is empty; training and evaluation refuse the file",
        "",
    ),
    # images
    IssueType(
        "missing_file",
        "image files missing",
        "error",
        "training stops at the first one",
        "the images and their annotations are dropped",
    ),
    IssueType(
        "unreadable_file",
        "image files broken",
        "error",
        "the file is empty, cut off, or not an image; training stops at the first one",
        "the images and their annotations are dropped",
    ),
    IssueType(
        "image_size",
        "image size wrong",
        "error",
        "width and height of the file differ from the annotations, so masks may lie beside their "
        "objects; training stops at the first one",
        "the file's size is written if the image has no annotations, or if all its masks are RLEs "
        "of the file's size; otherwise the images and their annotations are dropped",
    ),
    IssueType(
        "flat_image",
        "image size below 1",
        "error",
        "the annotations give a width or height below 1",
        "as for a wrong image size",
    ),
    IssueType(
        "image_id_twice",
        "image ids used twice",
        "error",
        "it is unclear which image the annotations belong to",
        "the first image keeps the id and the annotations, the others are dropped",
    ),
    IssueType(
        "image_file_twice",
        "one file, several images",
        "warning",
        "the same file is listed under several ids; under each id, the objects of the other ids "
        "are learned as background",
        "the annotations are joined under the first id",
    ),
    IssueType(
        "same_pixels",
        "images stored twice",
        "warning",
        "several files hold the same image, which gets more weight than others; if their "
        "annotations differ, they contradict each other",
        "the image with the most annotations is kept, the first one of a tie",
    ),
    IssueType(
        "leak",
        "images in both sets",
        "warning",
        "the model is validated on images it was trained on: the AP is too high",
        "the images are dropped from the training set",
    ),
    IssueType(
        "exif_unclear",
        "EXIF rotation unclear",
        "warning",
        "the image is loaded rotated by its EXIF orientation, and its size does not show whether "
        "it was annotated that way; check that the masks fit",
        "",
    ),
    IssueType(
        "exif",
        "EXIF rotation",
        "ok",
        "the sizes show whether an image was annotated rotated or as stored, and it is loaded that "
        "way; other tools may not do that",
        "",
    ),
    IssueType(
        "not_listed",
        "images not listed",
        "ok",
        "image files in the same folders that the annotation file does not name; they are not used",
        "",
    ),
    # categories
    IssueType(
        "category_id_twice",
        "category ids used twice",
        "error",
        "it is unclear which class the annotations have",
        "the first category keeps the id, the others are dropped",
    ),
    IssueType(
        "category_name_twice",
        "class names used twice",
        "error",
        "mmdet numbers classes by name, so the ids are mixed up",
        "the annotations move to the first id of the name",
    ),
    IssueType(
        "category_gaps",
        "category ids",
        "ok",
        "they do not run from 1 without gaps; classes are numbered by their order here, but other "
        "tools may expect ids without gaps",
        "",
    ),
    IssueType(
        "class_unused",
        "classes without objects",
        "ok",
        "these classes are neither learned nor measured; the mean AP leaves them out",
        "",
    ),
    # annotations
    IssueType(
        "unknown_image",
        "unknown images",
        "error",
        "no image has the image_id of the annotations: their objects are lost",
        _DROP,
    ),
    IssueType(
        "unknown_category",
        "unknown classes",
        "error",
        "no category has the category_id of the annotations: their objects are lost",
        _DROP,
    ),
    IssueType(
        "annotation_id_twice",
        "annotation ids used twice",
        "error",
        "evaluation finds annotations by their id, so objects are lost",
        "all but the first get new ids",
    ),
    IssueType(
        "no_crowd_flag",
        "iscrowd missing",
        "warning",
        "iscrowd is read as 0 here; pycocotools' own evaluation stops with KeyError",
        "iscrowd is set to 0",
    ),
    IssueType(
        "other_type",
        "values of another type",
        "warning",
        "numbers or flags are written as text, points as pairs, or ids as 1.0: training reads them "
        "as intended, other programs may stop",
        "the values are written as they were read",
    ),
    IssueType(
        "wrong_flag",
        "iscrowd or ignore unreadable",
        "error",
        "the value is neither 0 nor 1; training is refused",
        "the value is set to 0",
    ),
    IssueType(
        "same_annotation",
        "annotations twice",
        "warning",
        "the same mask of the same class is in an image twice: the second can never be found, "
        "which lowers recall and AP",
        "the first is kept",
    ),
    # masks
    IssueType(
        "no_mask",
        "masks missing",
        "warning",
        "the annotation has no segmentation: training ignores it, and mask AP cannot be computed",
        _CROWD,
    ),
    IssueType(
        "malformed_mask",
        "masks malformed",
        "error",
        "the segmentation cannot be read; training stops at the first one",
        _CROWD,
    ),
    IssueType(
        "mask_size",
        "RLE of another size",
        "error",
        "the RLE and the image differ in size; training stops at the first one",
        _CROWD,
    ),
    IssueType(
        "empty_mask",
        "masks without a pixel",
        "warning",
        "the RLE is empty, or the polygon is so small that it covers no pixel's center: there is a "
        "box to find and no mask",
        _CROWD,
    ),
    IssueType(
        "short_polygon",
        "polygons under 3 points",
        "warning",
        "these polygons are left out; an object without another polygon is ignored, and if the "
        "polygon is the first of its object, pycocotools stops",
        f"these polygons are dropped; if none is left, {_CROWD}",
    ),
    IssueType(
        "flat_polygon",
        "polygons of no area",
        "warning",
        "their points lie on one line: they cover no pixel",
        f"these polygons are dropped; if none is left, {_CROWD}",
    ),
    IssueType(
        "crossing",
        "polygons crossing themselves",
        "warning",
        "an area that the outline encloses twice becomes a hole in the mask, or the points are out "
        "of order; this affects over 1 % of the mask",
        "everything inside the outline is filled; points out of order stay so",
    ),
    IssueType(
        "crossing_slightly",
        "outlines with small knots",
        "ok",
        "the outline crosses itself, which affects under 1 % of the mask",
        "everything inside the outline is filled",
    ),
    # boxes
    IssueType(
        "corner_boxes",
        "boxes written as corners",
        "error",
        "the boxes are x1, y1, x2, y2 and COCO's are x, y, width, height; training is refused",
        "all boxes of the file are rewritten",
    ),
    IssueType(
        "no_box",
        "boxes missing",
        "error",
        "bbox is missing, or not four finite numbers; the file cannot be read",
        "the box is made from the mask; without a usable mask the annotation is dropped",
    ),
    IssueType(
        "degenerate_box",
        "boxes without area",
        "warning",
        "width or height is zero or below: the object is left out",
        "the box is made from the mask; without a usable mask the annotation is dropped",
    ),
    IssueType(
        "tiny_box",
        "boxes smaller than one pixel",
        "warning",
        "width or height is under 1 px: training leaves the object out, and the AP counts it",
        "the box is enlarged to a pixel if the mask covers one; otherwise the annotation is "
        "dropped",
    ),
    IssueType(
        "box_outside",
        "boxes outside the image",
        "warning",
        "no part of the box is in the image: the object is left out",
        "the box is made from the mask; without a mask in the image the annotation is dropped",
    ),
    IssueType(
        "box_partly_outside",
        "boxes partly outside",
        "warning",
        "the box leaves the image by over 1 px: the model learns to find what is not visible, or "
        "the annotations were made for another image size",
        "the box is made from the mask inside the image; without a mask the box is cut off",
    ),
    IssueType(
        "box_mask",
        "box and mask disagree",
        "warning",
        "an edge of the box is over 2 px away from the mask's: box and mask teach the model two "
        "different objects",
        "the box is made from the mask",
    ),
    # areas
    IssueType(
        "no_area",
        "areas missing",
        "error",
        "area is missing, or not a finite number; the file cannot be read",
        "the area is made from the mask, or from the box if there is no mask",
    ),
    IssueType(
        "area_zero",
        "areas of zero",
        "warning",
        "area is zero or below while the mask has pixels: the object is left out of training",
        "the area is made from the mask",
    ),
    IssueType(
        "area_mask",
        "area and mask disagree",
        "warning",
        "area differs from the mask's by over 10 % and 10 px: training does not read it, but the "
        "AP of small, medium and large objects uses it",
        "the area is made from the mask",
    ),
]

KINDS = {kind.key: kind for kind in _LISTED}
assert len(KINDS) == len(_LISTED)
