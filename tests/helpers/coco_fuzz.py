"""Damaged COCO files, each from a seed.

Two families: "structure" changes the tree of the file or its bytes, "polygons" the masks and boxes.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["damaged_coco", "damaged_tree"]

_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 1e6, 1e9, 1e12, 1e300, -1e9, 2**31, 2**63, 10**400, "HUGE",
    math.nan, math.inf, -math.inf, "", "0", "1", "12.5", "nan", "x" * 5000, "\ud800", "a\0b",
    "../../up.png", "/etc/passwd", "\u202e\n", [], {}, [[]], [[[[1]]]], [1, 2], ["a"], {"a": 1},
    {"size": [4, 4], "counts": "1"}, [None, None, None, None], [math.nan] * 4, 0.5, "train",
]  # fmt: skip


def damaged_coco(data: dict[str, Any], family: str, seed: int) -> bytes:
    """The file of ``data``, damaged in one to three places."""
    random_ = random.Random(f"{family} {seed}")
    if family == "structure":
        return damaged_tree(data, random_)
    data = copy.deepcopy(data)
    for _ in range(random_.choice((1, 1, 2, 3))):
        annotation = random_.choice(data["annotations"])
        image = next(i for i in data["images"] if i["id"] == annotation["image_id"])
        size = image["height"], image["width"]
        random_.choice((_polygons, _polygons, _rles, _boxes))(annotation, size, random_)
    return _text(data)


def damaged_tree(data: Any, random_: random.Random) -> bytes:
    """The text of any JSON value, damaged in one to three places."""
    data = copy.deepcopy(data)
    for _ in range(random_.choice((1, 1, 2, 3))):
        random_.choice(_TREE)(data, random_)
    text = _text(data)
    if random_.random() < 0.1:
        text = random_.choice(_BYTES)(text, random_)
    return text


def _text(data: Any) -> bytes:
    data, deep = _without_deep(data)
    text = json.dumps(data)
    for mark, depth in deep.items():
        text = text.replace(f'"{mark}"', "[" * depth + "]" * depth)
    return text.replace('"HUGE"', "9" * 5000).encode()


def _without_deep(data: Any) -> tuple[Any, dict[str, int]]:
    """``json`` cannot write what is nested deeply: a mark stands for it."""
    return data, {"DEEP1": 900, "DEEP2": 100_000}


def _nodes(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key); a long list of numbers counts once."""
    keys = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(keys):
        yield data, key
        if isinstance(value, dict | list) and value:
            yield from list(_nodes(value))[:200]


def _pick(data: Any, random_: random.Random) -> tuple[Any, Any] | None:
    """A node; those near the root as likely as all that lie deep."""
    container = data
    found = None
    while isinstance(container, dict | list) and container:
        keys = list(container) if isinstance(container, dict) else range(len(container))
        found = container, random_.choice(keys)
        if random_.random() < 0.25:
            break
        container = found[0][found[1]]
    return found


def _replace(data: Any, random_: random.Random) -> None:
    if (node := _pick(data, random_)) is not None:
        node[0][node[1]] = copy.deepcopy(random_.choice([*_VALUES, "DEEP1", "DEEP2"]))


def _delete(data: Any, random_: random.Random) -> None:
    if (node := _pick(data, random_)) is not None:
        del node[0][node[1]]


def _repeat(data: Any, random_: random.Random) -> None:
    if (node := _pick(data, random_)) is not None and isinstance(node[0], list):
        node[0].insert(random_.randrange(len(node[0]) + 1), copy.deepcopy(node[0][node[1]]))


def _to_text(data: Any, random_: random.Random) -> None:
    if (node := _pick(data, random_)) is not None:
        try:
            node[0][node[1]] = str(node[0][node[1]])[:2000]
        except ValueError:  # a number of too many digits to be printed
            node[0][node[1]] = "huge"


def _wrap(data: Any, random_: random.Random) -> None:
    if (node := _pick(data, random_)) is not None:
        value = node[0][node[1]]
        node[0][node[1]] = random_.choice(([value], {"value": value}, [[value]]))


def _swap(data: Any, random_: random.Random) -> None:
    """Two values change places."""
    first, second = _pick(data, random_), _pick(data, random_)
    if first is not None and second is not None:
        value = copy.deepcopy(first[0][first[1]])
        first[0][first[1]] = copy.deepcopy(second[0][second[1]])
        if isinstance(second[0], dict) or second[1] < len(second[0]):
            second[0][second[1]] = value


def _everywhere(data: Any, random_: random.Random) -> None:
    """One key of all entries."""
    if not isinstance(data, dict):
        return
    entries = [v for v in data.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
    if not entries or not (chosen := random_.choice(entries))[0]:
        return
    key, value = random_.choice(sorted(chosen[0])), random_.choice(_VALUES)
    for entry in chosen:
        if isinstance(entry, dict):
            entry[key] = copy.deepcopy(value)


_TREE: list[Callable] = [_replace] * 6 + [_delete, _repeat, _to_text, _wrap, _swap, _everywhere]


def _cut(text: bytes, random_: random.Random) -> bytes:
    return text[: random_.randrange(len(text))]


def _flip(text: bytes, random_: random.Random) -> bytes:
    changed = bytearray(text)
    for _ in range(random_.choice((1, 5, 50))):
        changed[random_.randrange(len(changed))] = random_.randrange(256)
    return bytes(changed)


_BYTES: list[Callable] = [
    _cut,
    _flip,
    lambda text, random_: b"\xef\xbb\xbf" + text,
    lambda text, random_: text.decode().encode("utf-16"),
    lambda text, random_: text + text,
    lambda text, random_: text.replace(b'"id"', b'"id": 3, "id"', 3),
    lambda text, random_: b"",
    lambda text, random_: b"[" * 200_000,
    lambda text, random_: text.replace(b"}", b",}", 1),
]
_NUMBERS: list[Any] = [
    math.nan, math.inf, -math.inf, 1e6, 1e7, 1e8, 1e9, 1e12, 1e300, -1e6, -1e12, 2**40, 10**400,
    None, "12", "x", True, [], [1, 2], {}, 5e-324, -0.0,
]  # fmt: skip


def _polygons(annotation: dict, size: tuple[int, int], random_: random.Random) -> None:
    height, width = size
    mask = annotation.get("segmentation")
    if not isinstance(mask, list) or not mask or not isinstance(mask[0], list) or len(mask[0]) < 6:
        mask = annotation["segmentation"] = [[1, 1, 20, 1, 20, 20, 1, 20]]
    polygon = random_.choice(mask)
    if not isinstance(polygon, list) or not polygon:
        return
    kind = random_.randrange(10)
    if kind < 4:
        for _ in range(random_.choice((1, 1, 2, 8))):
            polygon[random_.randrange(len(polygon))] = copy.deepcopy(random_.choice(_NUMBERS))
    elif kind == 4:
        annotation["segmentation"] = copy.deepcopy(random_.choice(_VALUES))
    elif kind == 5:
        annotation["segmentation"] = (
            [[polygon[i : i + 2] for i in range(0, len(polygon) - 1, 2)]]
            if random_.random() < 0.5
            else [polygon[i : i + 2] for i in range(0, len(polygon), 2)]
        )
    elif kind == 6:
        polygon.append(3)
    elif kind == 7:
        mask[mask.index(polygon)] = polygon[: random_.choice((0, 1, 2, 4, 5))]
    elif kind == 8:
        count = random_.choice((1000, 20_000, 100_000))
        scale = random_.choice((1, 1, 1000, 1e6))
        points = [
            [random_.random() * width * scale, random_.random() * height] for _ in range(count)
        ]
        mask[mask.index(polygon)] = [value for point in points for value in point]
    else:
        mask[:] = [
            [(x * s if isinstance(x, int | float) else x) for x in p] if isinstance(p, list) else p
            for p in mask
            for s in [random_.choice((1e3, 1e5, 1e8, -1, 1 / width))]
        ]


def _rles(annotation: dict, size: tuple[int, int], random_: random.Random) -> None:
    height, width = size
    total = height * width
    sizes = [[height, width], [height, width], [width, height], [10**9, 10**9], [0, 0], [-1, 5],
             ["a", 3], None, [height], [2**62, 4], [math.nan, width], "12"]  # fmt: skip
    counts = [
        "", "0", "\x01\x02", "~~~~", "\u1234", "z" * 50, "P" * 100_000, [], [total], [total + 1],
        [-5, total + 5], [total // 2], [10**18, 10**18], [10**400], [1.5, total - 1.5],
        [math.nan], ["1"], [None], [[1]], {}, 7, None, [1] * 100_000, "_" * 20 + "0", "ooooooo0",
    ]  # fmt: skip
    annotation["segmentation"] = {
        "size": copy.deepcopy(random_.choice(sizes)),
        "counts": copy.deepcopy(random_.choice(counts)),
    }
    if random_.random() < 0.1:
        del annotation["segmentation"][random_.choice(("size", "counts"))]


def _boxes(annotation: dict, size: tuple[int, int], random_: random.Random) -> None:
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or random_.random() < 0.2:
        annotation["bbox"] = copy.deepcopy(random_.choice(_VALUES))
    elif random_.random() < 0.3:
        numbers = [x if isinstance(x, int | float) else 0 for x in box]
        annotation["bbox"] = [*numbers[:2], numbers[0] + numbers[2], numbers[1] + numbers[3]]
    else:
        box[random_.randrange(4)] = copy.deepcopy(random_.choice(_NUMBERS))
    if random_.random() < 0.4:
        annotation[random_.choice(("area", "iscrowd"))] = copy.deepcopy(random_.choice(_NUMBERS))
