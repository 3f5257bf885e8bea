"""The catalog's issues of masks, boxes and areas."""

from __future__ import annotations

from condinst.data_report.issue_type import IssueType

__all__ = ["MASK_ISSUES"]

_CROWD = (
    "the object becomes a crowd region of its box: it is neither learned nor counted, and "
    "detections of it are not errors; without a box in the image it is dropped"
)

MASK_ISSUES = [
    # masks
    IssueType(
        "no_mask",
        "masks missing",
        "warning",
        "the annotation has a box and no segmentation: training ignores it, or with "
        "allow_box_only=True of the dataset learns from the box; mask AP fails without "
        "allow_box_only=True of the metric, which leaves the object out",
        "",
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
