"""The faults that a report knows: how grave they are, what they mean, and what ``--fix`` does.

Errors stop a run or have it fail in the middle; warnings cost accuracy without a word; what is "ok"
is harmless here and said for other tools' sake.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "IssueType"]


@dataclass(frozen=True)
class IssueType:
    """One kind of fault."""

    key: str
    title: str
    status: str  # "error", "warning" or "ok"
    meaning: str  # for training
    repair: str  # what --fix does; empty where it leaves it as it is


_CROWD = (
    "the object becomes a crowd region of its box: it is neither learned nor counted, and the "
    "model is not punished for finding it; without a box in the image it is dropped"
)
_DROP = "the annotations are dropped"

_LISTED = [
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
        "the file has another width and height than the annotations say, so that masks may lie "
        "beside their objects; training stops at the first one",
        "the file's size is written where nothing is annotated, or where all masks are run-length "
        "codes of the file's size; otherwise the images and their annotations are dropped",
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
        "annotations cannot say which image they belong to",
        "the first image keeps the id and the annotations, the others are dropped",
    ),
    IssueType(
        "image_file_twice",
        "one file, several images",
        "warning",
        "the same file is listed under several ids; in each, the objects of the others are learned "
        "as background",
        "the annotations are joined under the first id",
    ),
    IssueType(
        "same_pixels",
        "images stored twice",
        "warning",
        "several files hold the same image, which then counts more than others; where their "
        "annotations differ, they contradict each other",
        "the one with the most annotations is kept, of equal ones the first",
    ),
    IssueType(
        "leak",
        "images in both sets",
        "warning",
        "an image to validate on has been learned from: the AP is too high",
        "they are dropped from the training set",
    ),
    IssueType(
        "exif_unclear",
        "EXIF rotation unclear",
        "warning",
        "the image is loaded turned as its EXIF orientation says, and its size does not tell "
        "whether it was annotated so; look whether the masks fit",
        "",
    ),
    IssueType(
        "exif",
        "EXIF rotation",
        "ok",
        "the sizes tell whether an image was annotated turned or as stored, and it is loaded so; "
        "other tools may not do that",
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
        "annotations cannot say which class they are of",
        "the first category keeps the id, the others are dropped",
    ),
    IssueType(
        "category_name_twice",
        "class names used twice",
        "error",
        "mmdet numbers classes by name, so that the ids are mixed up",
        "the annotations move to the first id of the name",
    ),
    IssueType(
        "category_gaps",
        "category ids",
        "ok",
        "they do not run from 1 without gaps; classes are numbered by their order here, but other "
        "tools may expect it",
        "",
    ),
    IssueType(
        "class_unused",
        "classes without objects",
        "ok",
        "nothing is learned or measured of them; their AP is left out of the mean",
        "",
    ),
    # annotations
    IssueType(
        "unknown_image",
        "unknown images",
        "error",
        "the annotations' image_id is no image's: their objects are lost",
        _DROP,
    ),
    IssueType(
        "unknown_category",
        "unknown classes",
        "error",
        "the annotations' category_id is no category's: their objects are lost",
        _DROP,
    ),
    IssueType(
        "annotation_id_twice",
        "annotation ids used twice",
        "error",
        "evaluation finds annotations by their id, so that objects are lost",
        "all but the first get new ids",
    ),
    IssueType(
        "no_crowd_flag",
        "iscrowd missing",
        "warning",
        "it is taken as 0 here; pycocotools' own evaluation stops with KeyError",
        "it is set to 0",
    ),
    IssueType(
        "other_type",
        "values of another type",
        "warning",
        "numbers or flags written as text, points as pairs, ids as fractions: they are read as "
        "what they mean here, and other programs may stop",
        "they are written as they were read",
    ),
    IssueType(
        "wrong_flag",
        "iscrowd or ignore unreadable",
        "error",
        "the value is neither 0 nor 1; training is refused",
        "it is set to 0",
    ),
    IssueType(
        "same_annotation",
        "annotations twice",
        "warning",
        "the same mask of the same class twice in an image: the second can never be found, which "
        "lowers recall and AP",
        "the first is kept",
    ),
    # masks
    IssueType(
        "no_mask",
        "masks missing",
        "warning",
        "the annotation has no segmentation: ignored in training, and mask AP cannot be computed",
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
        "the run-length code is of another size than the image; training stops at the first one",
        _CROWD,
    ),
    IssueType(
        "empty_mask",
        "masks without a pixel",
        "warning",
        "an empty run-length code, or a polygon so small that it covers no pixel's center: there "
        "is a box to find and nothing to draw",
        _CROWD,
    ),
    IssueType(
        "short_polygon",
        "polygons under 3 points",
        "warning",
        "they are left out; an object that has no other polygon is ignored, and where it stands "
        "first, pycocotools stops",
        f"these polygons are dropped; where none is left, {_CROWD}",
    ),
    IssueType(
        "flat_polygon",
        "polygons of no area",
        "warning",
        "their points lie on one line: there is nothing to draw",
        f"these polygons are dropped; where none is left, {_CROWD}",
    ),
    IssueType(
        "crossing",
        "polygons crossing themselves",
        "warning",
        "what the outline runs around twice becomes a hole in the mask, or its points are out of "
        "order; over 1 % of the mask hangs on it",
        "what lies inside the outline is filled; an order of points cannot be guessed",
    ),
    IssueType(
        "crossing_slightly",
        "outlines with small knots",
        "ok",
        "the outline crosses itself, and under 1 % of the mask hangs on it",
        "what lies inside the outline is filled",
    ),
    # boxes
    IssueType(
        "corner_boxes",
        "boxes written as corners",
        "error",
        "the boxes are x1, y1, x2, y2 where COCO has x, y, width, height; training is refused",
        "all boxes of the file are rewritten",
    ),
    IssueType(
        "no_box",
        "boxes missing",
        "error",
        "bbox is missing, or not four finite numbers; the file cannot be read",
        "it is made from the mask; without a usable mask the annotation is dropped",
    ),
    IssueType(
        "degenerate_box",
        "boxes without area",
        "warning",
        "width or height is zero or below: the object is left out",
        "it is made from the mask; without a usable mask the annotation is dropped",
    ),
    IssueType(
        "tiny_box",
        "boxes under a pixel",
        "warning",
        "width or height is under 1 px: the object is left out of training, and counted in the AP",
        "the box is enlarged to a pixel where the mask covers one; otherwise the annotation is "
        "dropped",
    ),
    IssueType(
        "box_outside",
        "boxes outside the image",
        "warning",
        "no part of the box is in the image: the object is left out",
        "it is made from the mask; without a mask in the image the annotation is dropped",
    ),
    IssueType(
        "box_partly_outside",
        "boxes partly outside",
        "warning",
        "the box leaves the image by over 1 px, so that the model learns to find what is not "
        "to be seen, or the annotations were made for another image size",
        "the box is made from the part of the mask in the image, without a mask cut off",
    ),
    IssueType(
        "box_mask",
        "box and mask disagree",
        "warning",
        "an edge of the box is over 2 px away from the mask's: box and mask are learned as two "
        "objects' would be",
        "the box is made from the mask",
    ),
    # areas
    IssueType(
        "no_area",
        "areas missing",
        "error",
        "area is missing, or not a finite number; the file cannot be read",
        "it is made from the mask, without one from the box",
    ),
    IssueType(
        "area_zero",
        "areas of zero",
        "warning",
        "area is zero or below while the mask has pixels: the object is left out of training",
        "it is made from the mask",
    ),
    IssueType(
        "area_mask",
        "area and mask disagree",
        "warning",
        "area differs from the mask's by over 10 % and 10 px: training does not read it, but AP of "
        "small, medium and large objects sorts by it",
        "it is made from the mask",
    ),
]

KINDS = {kind.key: kind for kind in _LISTED}
assert len(KINDS) == len(_LISTED)
