"""Tell which kind of annotations a json file holds, from its beginning and its end."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from pathlib import Path

from condinst.utils.files import check_regular

__all__ = ["Sniffed", "sniff"]

WRITTEN_HERE = b'{"written_by": "condinst.dataset_converters",'
_BLOCK = 1 << 16
_KINDS = (  # the first kind whose patterns all match counts
    ("panoptic", (rb'"segments_info"\s*:',)),
    ("via", (rb'"_via_img_metadata"\s*:',)),
    ("via", (rb'"regions"\s*:', rb'"filename"\s*:')),
    ("via", (rb'"metadata"\s*:', rb'"file"\s*:', rb'"(fid_list|fname|vid)"\s*:')),  # VIA 3
    ("labelme", (rb'"shapes"\s*:\s*\[', rb'"image(Path|Height|Data)"\s*:')),
    ("datumaro", (rb'"items"\s*:\s*\[', rb'"categories"\s*:\s*\{')),
    ("sam", (rb'"image"\s*:\s*\{', rb'"annotations"\s*:\s*\[', rb'"counts"\s*:')),
    (
        "label-studio",
        (rb'"(polygonlabels|brushlabels|rectanglelabels|ellipselabels|from_name)"\s*:',),
    ),
    ("geojson", (rb'"geometry"\s*:', rb'"type"\s*:\s*"Feature')),
    ("ade20k", (rb'"annotation"\s*:\s*\{', rb'"object"\s*:\s*\[', rb'"imsize"\s*:')),
    ("supervisely", (rb'"objects"\s*:\s*\[', rb'"(classTitle|geometryType)"\s*:')),
    ("supervisely", (rb'"objects"\s*:\s*\[\s*\]', rb'"size"\s*:\s*\{\s*"(height|width)"')),
    ("coco", (rb'"images"\s*:\s*\[', rb'"(categories|annotations)"\s*:\s*\[')),
    ("coco", (rb'"image_id"\s*:', rb'"category_id"\s*:')),
)


@dataclass(frozen=True)
class Sniffed:
    """The kind of a json file, by its beginning and its end."""

    kind: str | None  # a kind of ``_KINDS``; None for anything else
    written_here: bool  # by condinst.dataset_converters.write_coco


def sniff(path: Path) -> Sniffed:
    """Tell the kind of a json file.

    Of a large file only both ends are read. A broken file still gets a kind, so that the reader
    of that kind can say what is wrong.

    Raises:
        ValueError: the path is a pipe or a device.
    """
    try:
        check_regular(path)  # a pipe would be waited for
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    with open(path, "rb") as file:
        text = file.read(_BLOCK)
        encoding = json.detect_encoding(text[:4])
        end = file.seek(0, 2)
        if end > _BLOCK:
            file.seek(max(_BLOCK, (end - _BLOCK) & ~3))
            text += file.read()
    if encoding not in ("utf-8", "utf-8-sig"):
        text = text.decode(encoding, "replace").encode("utf-8", "replace")
    ours = text.startswith(WRITTEN_HERE)
    detections = text.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["  # a list, not a dataset
    for kind, patterns in _KINDS:
        if kind == "coco" and detections:
            continue
        if all(re.search(pattern, text) for pattern in patterns):
            return Sniffed(kind, ours)
    return Sniffed(None, ours)
