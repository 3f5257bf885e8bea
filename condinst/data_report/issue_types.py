"""The catalog of issues: how severe they are, what they mean, and what ``--fix`` does.

An "error" stops a run or lets it fail in the middle. A "warning" costs accuracy silently. An "ok"
issue is harmless here and may matter to other tools.
"""

from __future__ import annotations

from condinst.data_report.issue_type import IssueType
from condinst.data_report.mask_issue_types import MASK_ISSUES

__all__ = ["KINDS", "IssueType"]

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
        "the file's size is written if the image has no annotations, if all its masks are RLEs of "
        "the file's size, or if the outlines fit the file and not the size as annotated (such as "
        "height and width swapped); otherwise the images and their annotations are dropped",
    ),
    IssueType(
        "flat_image",
        "image size missing",
        "error",
        "the annotations give no width and height, or not as whole numbers of 1 or more",
        "the file's size is written if the annotations fit it; otherwise the images and their "
        "annotations are dropped",
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
    *MASK_ISSUES,
]

KINDS = {kind.key: kind for kind in _LISTED}
assert len(KINDS) == len(_LISTED)
