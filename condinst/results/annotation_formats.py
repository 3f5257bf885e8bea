"""The instances of one image as labeling programs import them: CVAT, Label Studio, YOLO.

The layouts are those of https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/,
https://labelstud.io/guide/predictions and https://docs.ultralytics.com/datasets/segment/. Masks are
in the pixels of the image, N instances in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from condinst.results.edit_polygons import EditOutline, edit_outline, join_parts

if TYPE_CHECKING:
    from condinst.masks.crop import Crop
    from condinst.results.results import Results

__all__ = [
    "cvat_labels",
    "cvat_shapes",
    "cvat_start",
    "encode_brush",
    "label_studio_config",
    "label_studio_prediction",
    "outlines",
    "yolo_names",
    "yolo_rows",
]

_LENGTH_BITS = (3, 4, 8, 16)  # the sizes of a run's length in Label Studio's RLE


def outlines(results: Results) -> list[EditOutline]:
    """Return the outline of each instance; its box for one whose mask has no pixel."""
    height, width = results.image_size
    boxes = np.clip(results.boxes, 0, [width, height, width, height]).tolist()
    found = []
    for crop, (x1, y1, x2, y2) in zip(results.crops, boxes, strict=True):
        outline = edit_outline(crop)
        if not outline.parts:
            outline = EditOutline([np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])], False)
        found.append(outline)
    return found


def cvat_start(class_names: Sequence[str], num_images: int) -> str:
    """Return the beginning of CVAT's xml, with its labels."""
    labels = "".join(f"<label><name>{escape(name)}</name></label>" for name in class_names)
    task = f"<size>{num_images}</size><mode>annotation</mode><labels>{labels}</labels>"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"<meta><task>{task}</task></meta>\n"
    )


def cvat_labels(class_names: Sequence[str]) -> str:
    """Return what CVAT's label editor takes as "Raw"."""
    labels = [dict(name=name, attributes=[]) for name in class_names]
    return json.dumps(labels, indent=1, ensure_ascii=False) + "\n"


def cvat_shapes(results: Results, found: Sequence[EditOutline]) -> str:
    """Return the shapes of one image, best first.

    An instance is a polygon, or several in one group. One with a hole is a mask, which CVAT's brush
    and eraser change, because CVAT's polygons have no holes.
    """
    lines = []
    rows = zip(results.names.tolist(), results.crops, found, strict=True)
    for number, (name, crop, (parts, has_hole)) in enumerate(rows, start=1):
        start = f"label={quoteattr(name)} source={quoteattr('auto')} occluded={quoteattr('0')}"
        if has_hole:
            lines.append(f'<mask {start} {_cvat_mask(crop)} z_order="0"></mask>')
            continue
        group = f' group_id="{number}"' if len(parts) > 1 else ""
        for part in parts:
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in part)
            lines.append(f'<polygon {start} points="{points}" z_order="0"{group}></polygon>')
    return "\n".join(lines)


def _cvat_mask(crop: Crop) -> str:
    """Return the runs along the rows of a mask's box, background first."""
    lengths, first = _runs(crop.mask)
    counts = ", ".join(map(str, [0, *lengths] if first else lengths))
    height, width = crop.mask.shape
    return f'rle="{counts}" left="{crop.x}" top="{crop.y}" width="{width}" height="{height}"'


def _runs(mask: np.ndarray) -> tuple[list[int], bool]:
    """Return the lengths of the runs along the rows, and whether the first one is of the mask."""
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.diff(changes, prepend=0, append=flat.size).tolist(), bool(flat[0])


def label_studio_config(class_names: Sequence[str]) -> str:
    """Return the labeling interface that :func:`label_studio_prediction` is for."""
    labels = "".join(f"\n    <Label value={quoteattr(name)}/>" for name in class_names)
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <PolygonLabels name="polygon" toName="image">{labels}\n  </PolygonLabels>\n'
        f'  <BrushLabels name="brush" toName="image">{labels}\n  </BrushLabels>\n</View>\n'
    )


def label_studio_prediction(results: Results, found: Sequence[EditOutline]) -> dict[str, Any]:
    """Return the prediction of one task, with coordinates in percent of the image's sides.

    An instance of one part without holes is a polygon. Others are brushes, because Label Studio's
    regions have one polygon and no holes.
    """
    height, width = results.image_size
    regions = []
    names, scores = results.names.tolist(), results.scores.tolist()
    for number, (name, score, crop, (parts, has_hole)) in enumerate(
        zip(names, scores, results.crops, found, strict=True)
    ):
        if has_hole or len(parts) > 1:
            kind = "brush"
            value: dict[str, Any] = dict(format="rle", rle=_brush(crop, height, width))
        else:
            points = np.round(parts[0] * (100 / width, 100 / height), 6)
            kind, value = "polygon", dict(points=points.tolist(), closed=True)
        regions.append(
            dict(
                id=f"object-{number}",
                type=f"{kind}labels",
                from_name=kind,
                to_name="image",
                original_width=width,
                original_height=height,
                image_rotation=0,
                score=score,
                value=value | {f"{kind}labels": [name]},
            )
        )
    mean = float(np.mean(results.scores)) if len(results) else 0.0
    return dict(model_version="condinst", score=mean, result=regions)


def _brush(crop: Crop, height: int, width: int) -> list[int]:
    mask = np.zeros((height, width), bool)
    rows, columns = crop.mask.shape
    mask[crop.y : crop.y + rows, crop.x : crop.x + columns] = crop.mask
    return encode_brush(mask)


def encode_brush(mask: np.ndarray) -> list[int]:
    """Return Label Studio's ``rle`` of an (H, W) mask: bytes that encode its RGBA pixels.

    The stream of bits is described where it is read, in
    :func:`condinst.dataset_converters.label_studio.decode_brush`.
    """
    lengths, value = _runs(mask)
    sizes = "".join(f"{bits - 1:04b}" for bits in _LENGTH_BITS)
    pieces = [f"{4 * mask.size:032b}{8 - 1:05b}{sizes}"]
    for pixels in lengths:
        left = 4 * pixels
        while left:
            length = min(left, 1 << _LENGTH_BITS[-1])
            choice = next(i for i, bits in enumerate(_LENGTH_BITS) if length <= 1 << bits)
            bits = _LENGTH_BITS[choice]
            pieces.append(f"1{choice:02b}{length - 1:0{bits}b}{255 * value:08b}")
            left -= length
        value = not value
    text = np.frombuffer("".join(pieces).encode(), np.uint8) - ord("0")
    return np.packbits(text).tolist()


def yolo_names(class_names: Sequence[str], images: str) -> str:
    """Return the content of data.yaml; JSON is YAML."""
    names = [f"  {number}: {json.dumps(name)}" for number, name in enumerate(class_names)]
    return "\n".join([f"train: {images}", "names:", *names, ""])


def yolo_rows(results: Results, found: Sequence[EditOutline]) -> str:
    """Return a row for each instance: its class and one polygon in fractions of the sides.

    Holes and parts are joined by cuts of no width, because a row has one polygon.
    """
    height, width = results.image_size
    rows = []
    for label, (parts, _) in zip(results.labels.tolist(), found, strict=True):
        points = join_parts(parts) / (width, height)
        rows.append(f"{label} " + " ".join(f"{v:.7f}" for v in points.ravel()) + "\n")
    return "".join(rows)
