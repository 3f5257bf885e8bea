"""Small sound folders of every format that condinst new reads, and damage to them."""

from __future__ import annotations

import io
import json
import math
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from coco_fuzz import damaged_tree
from folder_exports import EXPORTS, NUMBER, SIZE, write_image, write_json, write_mask
from PIL import Image

__all__ = ["KINDS", "damage", "format_of", "write"]

_WORDS = (
    "nan",
    "inf",
    "-1",
    "1e9",
    "0x1",
    "",
    "-",
    "1" * 5000,
    "9" * 20,
    "0.5",
    "\x00",
    "é",
    "a b",
)


def write(kind: str, folder: Path) -> list[Path]:
    """Write a sound dataset; returns the files that may be damaged."""
    return _WRITERS[kind](folder)


def _labelme(folder: Path) -> list[Path]:
    files = []
    for i in range(NUMBER):
        write_image(folder / f"{i}.png", i)
        shapes = [
            dict(
                label="a", points=[[5, 5], [30, 5], [30, 30]], shape_type="polygon", group_id=None
            ),
            dict(label="b", points=[[35, 5], [50, 20]], shape_type="rectangle", group_id=1),
            dict(label="a", points=[[40, 35], [45, 35]], shape_type="circle", flags={}),
        ]
        data = dict(version="5", flags={}, shapes=shapes, imagePath=f"{i}.png", imageData=None)
        files.append(write_json(folder / f"{i}.json", data | dict(imageHeight=48, imageWidth=64)))
    return files


def _via(folder: Path) -> list[Path]:
    data = {}
    for i in range(NUMBER):
        write_image(folder / f"{i}.png", i)
        shapes = [
            dict(name="polygon", all_points_x=[5, 30, 30], all_points_y=[5, 5, 30]),
            dict(name="rect", x=35, y=5, width=10, height=12),
            dict(name="circle", cx=40, cy=35, r=6),
            dict(name="ellipse", cx=20, cy=38, rx=6, ry=3, theta=0.3),
        ]
        regions = [dict(shape_attributes=s, region_attributes=dict(type="a")) for s in shapes]
        data[f"{i}.png1"] = dict(filename=f"{i}.png", size=1, regions=regions, file_attributes={})
    return [write_json(folder / "via.json", data)]


def _yolo(folder: Path) -> list[Path]:
    files = []
    for i in range(NUMBER):
        write_image(folder / "images" / f"{i}.png", i)
        label = folder / "labels" / f"{i}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("0 0.1 0.1 0.5 0.1 0.5 0.6\n1 0.7 0.7 0.2 0.2\n")
        files.append(label)
    description = folder / "data.yaml"
    description.write_text("path: .\ntrain: images\nval: images\nnames:\n  0: a\n  1: b\n")
    return [*files, description, description, description]


def _masks(folder: Path) -> list[Path]:
    for i in range(NUMBER):
        write_image(folder / "images" / f"{i}.png", i)
    return [write_mask(folder / "masks" / f"{i}.png") for i in range(NUMBER)]


def _bowl(folder: Path) -> list[Path]:
    files = []
    for i in range(NUMBER):
        write_image(folder / f"{i}" / "images" / f"{i}.png", i)
        files += [
            write_mask(folder / f"{i}" / "masks" / f"{n}.png", (0,) * n + (1,)) for n in (0, 1)
        ]
    return files


def _pascal(folder: Path) -> list[Path]:
    files = []
    for i in range(NUMBER):
        write_image(folder / "JPEGImages" / f"{i}.png", i)
        files.append(write_mask(folder / "SegmentationObject" / f"{i}.png"))
        files.append(write_mask(folder / "SegmentationClass" / f"{i}.png", (3, 8)))
        text = "<annotation><object><name>cat</name></object></annotation>"
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{i}.xml").write_text(text)
    files.append(folder / "Annotations" / "0.xml")
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n")
    (lists / "val.txt").write_text("2\n3\n")
    return [*files, lists / "train.txt"]


def _cityscapes(folder: Path) -> list[Path]:
    files = []
    for i in range(NUMBER):
        write_image(folder / f"{i}.png", i)
        files.append(write_mask(folder / f"{i}_instanceIds.png", (26001, 24002), 16))
    return [*files, write_json(folder / "classes.json", {"26": "car", "24": "person"})]


_WRITERS: dict[str, Callable[[Path], list[Path]]] = dict(
    labelme=_labelme,
    via=_via,
    yolo=_yolo,
    masks=_masks,
    bowl=_bowl,
    pascal=_pascal,
    cityscapes=_cityscapes,
)
_WRITERS.update({name: writer for name, (_, writer) in EXPORTS.items()})
KINDS = tuple(_WRITERS)


def format_of(kind: str) -> str:
    """Return the name that --format takes for a kind of folder."""
    return EXPORTS[kind][0] if kind in EXPORTS else "masks" if kind == "bowl" else kind


def damage(path: Path, random_: random.Random) -> None:
    """Change a file in place."""
    if path.suffix == ".json":
        path.write_bytes(damaged_tree(json.loads(path.read_text()), random_))
    elif path.suffix == ".png":
        path.write_bytes(_damaged_png(path, random_))
    elif path.suffix == ".yaml" and random_.random() < 0.5:
        path.write_text(random_.choice(_YAMLS))
    elif path.suffix == ".xml" and random_.random() < 0.3:
        path.write_text(random_.choice(_XMLS))
    else:
        path.write_bytes(_damaged_text(path.read_bytes(), random_))


def _damaged_text(text: bytes, random_: random.Random) -> bytes:
    kind = random_.randrange(6)
    if kind == 0:
        return text[: random_.randrange(len(text))]
    if kind == 1:
        changed = bytearray(text)
        changed[random_.randrange(len(text))] = random_.randrange(256)
        return bytes(changed)
    if kind == 2:
        return random_.choice(
            (b"", b"\xef\xbb\xbf" + text, text.decode().encode("utf-16"), b"\0" * 9)
        )
    if kind == 3:
        return text + b"0 " + b"0.1 " * 100_000
    words = text.decode().split(" ")
    words[random_.randrange(len(words))] = random_.choice(_WORDS)
    return " ".join(words).encode()


_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
_START = "train: images\nval: images\n"
_YAMLS = (
    _BOMB + _START + "names: *i\n",
    _START + "names: &n [a, *n]\n",
    _START + "names: " + "[" * 3000 + "]" * 3000 + "\n",
    _START + "names: {? [1, 2] : a}\n",
    _START + "names: !!python/object/apply:os.system [echo]\n",
    _START + "names: {0: 2001-99-99}\n",
    _START + f"names: {{{'9' * 5000}: a}}\n",
    _START + "names: {.nan: a, .inf: b}\n",
    _START + "names: {0: {a: b}, 1: [c]}\n",
    _START + "names: 5\n",
    "train: /\nval: /\nnames: [a, b]\n",
    "train: ../../..\nval: images\nnames: [a, b]\n",
    "train: {a: b}\nval: images\nnames: [a, b]\n",
    "train: [[images]]\nval: images\nnames: [a, b]\n",
    f"train: {'x' * 5000}\nval: images\nnames: [a, b]\n",
    'train: "a\\0b"\nval: images\nnames: [a, b]\n',
    "train: data.yaml\nval: images\nnames: [a, b]\n",
    "train: images/0.png\nval: images\nnames: [a, b]\n",
    "path: [1]\ntrain: images\nval: images\nnames: [a, b]\n",
    "path: /dev\ntrain: zero\nval: images\nnames: [a, b]\n",
    "- 1\n- 2\n",
    "a: b: c\n",
)
_XMLS = (
    '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><annotation><object><name>&i;</name></object></annotation>",
    "<object>" + " " * 100_000,
    "<annotation>" * 10_000,
    "<object><name>" + "x" * 100_000,
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + check


def _huge_png(width: int, height: int, bits: int = 8, colors: int = 0) -> bytes:
    """A header of that size, and pixels of zero for as long as 100 KB lasts."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, colors, 0, 0, 0])
    row = max(1, math.ceil(width * bits / 8))
    data = zlib.compress(bytes(min(row * height + height, 50_000_000)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


def _damaged_png(path: Path, random_: random.Random) -> bytes:
    data = path.read_bytes()
    kind = random_.randrange(6)
    if kind == 0:
        return data[: random_.randrange(len(data))]
    if kind == 1:
        changed = bytearray(data)
        for _ in range(random_.choice((1, 5, 30))):
            changed[random_.randrange(len(data))] = random_.randrange(256)
        return bytes(changed)
    if kind == 2:
        size = random_.choice(
            ((20_000, 20_000), (12_000, 12_000), (2**31 - 1, 1), (0, 5), (16_000, 16_000))
        )
        return _huge_png(*size, random_.choice((1, 8, 16)))
    if kind == 3:
        return random_.choice(
            (b"", b"GIF89a", b"\0" * 100, b"\x89PNG\r\n\x1a\n", b"BM" + b"\xff" * 60)
        )
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(np.uint8)
    mode = random_.choice(("1", "L", "P", "RGB", "RGBA", "LA", "I;16", "PA", "F", "CMYK"))
    values = pixels if kind == 4 else np.random.default_rng(random_.randrange(99)).integers(
        0, 255, random_.choice((SIZE, SIZE[::-1], (1, 1), (49, 64))), np.uint8
    )  # fmt: skip
    buffer = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(values.astype(np.uint16) * 257).save(buffer, "PNG")
    else:
        made = Image.fromarray(values)
        made = (
            made.convert("L").convert("RGB").convert(mode) if mode == "CMYK" else made.convert(mode)
        )
        made.save(buffer, "TIFF" if mode in ("PA", "F", "CMYK") else "PNG")
    return buffer.getvalue()
