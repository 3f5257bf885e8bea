"""Tell which kind of annotations a json file holds, from its beginning and its end."""

from __future__ import annotations

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
    ("labelme", (rb'"shapes"\s*:\s*\[', rb'"image(Path|Height|Data)"\s*:')),
    ("coco", (rb'"images"\s*:\s*\[', rb'"(categories|annotations)"\s*:\s*\[')),
    ("coco", (rb'"image_id"\s*:', rb'"category_id"\s*:')),
)


@dataclass(frozen=True)
class Sniffed:
    """The kind of a json file, by its beginning and its end."""

    kind: str | None  # coco, labelme, via or panoptic; None for anything else
    written_here: bool  # by condinst.dataset_converters.write_coco


def sniff(path: Path) -> Sniffed:
    """Tell the kind of a json file.

    Of a large file only both ends are read. A broken file still gets a kind, so that the reader
    of that kind can say what is wrong.

    Raises:
        ValueError: it is a pipe or a device.
    """
    try:
        check_regular(path)  # a pipe would be waited for
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    with open(path, "rb") as file:
        text = file.read(_BLOCK)
        end = file.seek(0, 2)
        if end > _BLOCK:
            file.seek(max(_BLOCK, end - _BLOCK))
            text += file.read()
    ours = text.startswith(WRITTEN_HERE)
    for kind, patterns in _KINDS:
        if all(re.search(pattern, text) for pattern in patterns):
            return Sniffed(kind, ours)
    return Sniffed(None, ours)
