"""Read results from the values that ``Results.to_dict`` writes; files may come from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from condinst.images.limit import check_size, max_pixels
from condinst.masks.crop import Crop
from condinst.masks.rle import checked_rle, crop_of_rle
from condinst.utils.arguments import shown

__all__ = ["parse", "read_fields"]


def parse(text: str | bytes) -> Any:
    """Parse JSON text.

    Raises:
        ValueError: the text is not JSON.
        TypeError: it is no text.
    """
    if not isinstance(text, str | bytes | bytearray):
        raise TypeError(f"text={shown(text)}: expected the text of to_json()")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"results: expected the text of to_json(), got no JSON: {error}") from None


def read_fields(content: Any, class_names: Sequence[str] | None) -> dict[str, Any]:
    """Read the arguments of :class:`condinst.Results`.

    Args:
        content: parsed JSON.
        class_names: the name of every label; None for those in the content.

    Raises:
        ValueError: a value is missing or invalid; the message names it.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"results: expected an object, got {type(content).__name__}")
    height, width = (_size(content, key) for key in ("height", "width"))
    try:
        check_size(width, height)
    except ValueError as error:
        raise ValueError(f"results: the image {error}") from None
    path = content.get("path")
    if not isinstance(path, str | None):
        raise _wrong("path", path, "text or null")
    rows = content.get("instances")
    if not isinstance(rows, list):
        raise _wrong("instances", rows, "a list")
    read, num_pixels = [], 0
    for i, row in enumerate(rows):
        read.append(_instance(row, f"instances[{i}]", (height, width)))
        num_pixels += read[-1]["crop"].mask.size
        if num_pixels > 4 * max_pixels():  # a small text may unpack to any number of masks
            raise ValueError(f"results: the masks have more than {4 * max_pixels():,} pixels")
    if class_names is None:
        class_names = _names(content, read)
    for i, row in enumerate(read):
        if not row["label"] < len(class_names) or class_names[row["label"]] != row["name"]:
            raise ValueError(
                f"results: instances[{i}]: label {row['label']} is named {row['name']!r}, which "
                "the class names do not say"
            )
    tracks = [row["track_id"] for row in read]
    if any(track is None for track in tracks) and any(track is not None for track in tracks):
        raise ValueError("results: expected a track_id in all instances or in none")
    return dict(
        image_size=(height, width),
        boxes=[row["box"] for row in read],
        scores=[row["score"] for row in read],
        labels=[row["label"] for row in read],
        crops=[row["crop"] for row in read],
        class_names=class_names,
        path=path,
        track_ids=tracks if tracks and tracks[0] is not None else None,
    )


def _wrong(place: str, value: Any, expected: str) -> ValueError:
    shown = ascii(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return ValueError(f"results: {place}: expected {expected}, got {shown}")


def _size(content: Mapping[str, Any], key: str) -> int:
    value = content.get(key)
    if type(value) is not int or value < 1:
        raise _wrong(key, value, "a number of pixels")
    return value


def _instance(row: Any, place: str, image_size: tuple[int, int]) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise _wrong(place, row, "an object")
    label, name, score = row.get("label"), row.get("name"), row.get("score")
    if type(label) is not int or not 0 <= label < 2**16:
        raise _wrong(f"{place}.label", label, "a number from 0 to 65535")
    if not isinstance(name, str):
        raise _wrong(f"{place}.name", name, "text")
    if not isinstance(score, int | float) or isinstance(score, bool) or not 0 <= score <= 1:
        raise _wrong(f"{place}.score", score, "a number from 0 to 1")
    box, mask = row.get("box"), row.get("mask")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise _wrong(f"{place}.box", box, "[x1, y1, x2, y2]")
    track = row.get("track_id")
    if track is not None and not (type(track) is int and 0 <= track < 2**63):
        raise _wrong(f"{place}.track_id", track, "a number of 0 or more")
    return dict(
        label=label,
        name=name,
        score=score,
        box=box,
        crop=_crop(mask, f"{place}.mask", image_size),
        track_id=track,
    )


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number that float32 holds."""
    return type(value) in (int, float) and abs(value) < 1e38


def _crop(mask: Any, place: str, image_size: tuple[int, int]) -> Crop:
    if not isinstance(mask, Mapping):
        raise _wrong(place, mask, "an RLE")
    try:
        return crop_of_rle(checked_rle(dict(mask), *image_size))
    except ValueError as error:
        raise ValueError(f"results: {place}: {error}") from None


def _names(content: Mapping[str, Any], read: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the class names in the content; without them, those of the instances."""
    names = content.get("class_names")
    if names is None:
        used = {row["label"]: row["name"] for row in read}
        return [used.get(label, f"class {label}") for label in range(max(used, default=-1) + 1)]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _wrong("class_names", names, "a list of names")
    return names
