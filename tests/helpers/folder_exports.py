"""Small sound folders of the exports of other programs, for ``folder_fuzz``."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["EXPORTS", "NUMBER", "SIZE", "write_image", "write_json", "write_mask"]

SIZE = 48, 64  # height, width
NUMBER = 4  # images
_TRIANGLE = [[5, 5], [30, 5], [30, 30]]
_HOLE = [[20, 10], [25, 10], [25, 15]]
_RLE = dict(counts=[10, 50, 3012], size=[48, 64])


def write_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), np.uint8)
    Image.fromarray(noise).save(path)


def write_mask(path: Path, values: tuple[int, ...] = (1, 2), bits: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(SIZE, np.uint16 if bits == 16 else np.uint8)
    for n, value in enumerate(values):
        pixels[5 + 20 * n : 20 + 20 * n, 10:30] = value
    Image.fromarray(pixels).save(path)
    return path


def write_json(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def _images(folder: Path) -> range:
    for i in range(NUMBER):
        write_image(folder / f"{i}.png", i)
    return range(NUMBER)


def _text(path: Path, lines: list[str]) -> list[Path]:
    path.write_text("\n".join(lines))
    return [path]


def _object_files(folder: Path) -> list[Path]:
    numbers = _images(folder / "images")
    return [
        write_mask(folder / f"masks/{i}_cat_{n}.png", (0,) * n + (255,))
        for i in numbers
        for n in (0, 1)
    ]


def _ids(folder: Path) -> list[Path]:
    for i in range(NUMBER):
        write_image(folder / f"{i}_img.png", i)
    return [write_mask(folder / f"{i}_masks.png", (1001, 2001), 16) for i in range(NUMBER)]


def _cvat(folder: Path) -> list[Path]:
    entries = [
        f'<image id="{i}" name="{i}.png" width="64" height="48"><polygon label="a" '
        'points="5,5;30,5;30,30"/><mask label="b" rle="2,4,6" left="1" top="2" width="4" '
        'height="3"/><box label="a" xtl="1" ytl="2" xbr="9" ybr="9"/></image>'
        for i in _images(folder)
    ]
    return _text(folder / "annotations.xml", ["<annotations>", *entries, "</annotations>"])


def _xml(folder: Path) -> list[Path]:
    points = "".join(f"<pt> <x>{x}</x> <y>{y}</y> </pt>" for x, y in _TRIANGLE)
    return [
        file
        for i in _images(folder)
        for file in _text(
            folder / f"{i}.xml",
            [
                f"<annotation><filename>{i}.png</filename> <object><name>a</name> <polygon>",
                f"{points}</polygon></object> <object><name>b</name><bndbox><xmin>5</xmin> ",
                "<ymin>6</ymin> <xmax>20</xmax> <ymax>30</ymax></bndbox></object></annotation>",
            ],
        )
    ]


def _rle_csv(folder: Path) -> list[Path]:
    rows = [row for i in _images(folder) for row in (f"{i},10 5 58 5 106 5", f"{i}.png,999 9")]
    return _text(folder / "train.csv", ["ImageId,EncodedPixels", *rows])


def _via_csv(folder: Path) -> list[Path]:
    shape = '"{""name"":""rect"", ""x"": 5, ""y"": 6, ""width"": 10, ""height"": 12}"'
    rows = [f'{i}.png,{shape},"{{""class"": ""a""}}"' for i in _images(folder)]
    return _text(
        folder / "via.csv", ["filename,region_shape_attributes,region_attributes", *rows, *rows]
    )


def _via_project(folder: Path) -> list[Path]:
    numbers = _images(folder)
    shapes = [7, 5, 5, 30, 5, 30, 30], [2, 5, 6, 10, 12], [3, 20, 20, 9], [4, 20, 20, 9, 5]
    regions = {
        f"{i}_{n}": dict(vid=str(i), flg=0, z=[], xy=xy, av={"1": "0"})
        for i in numbers
        for n, xy in enumerate(shapes)
    }
    data = dict(
        project={},
        attribute={"1": dict(aname="kind", options={"0": "car"})},
        file={str(i): dict(fid=str(i), fname=f"{i}.png", type=2) for i in numbers},
        metadata=regions,
        view={str(i): dict(fid_list=[str(i)]) for i in numbers},
    )
    return [write_json(folder / "via.json", data)]


def _geojson(folder: Path) -> list[Path]:
    rings = [[*_TRIANGLE, _TRIANGLE[0]], [*_HOLE, _HOLE[0]]]
    features = [
        dict(type="Feature", geometry=dict(type=kind, coordinates=places), properties=own)
        for kind, places in (("Polygon", rings), ("MultiPolygon", [rings[:1]]))
        for own in (dict(classification=dict(name="a")), {})
    ]
    data = dict(type="FeatureCollection", features=features)
    return [write_json(folder / f"{i}.json", data) for i in _images(folder)]


def _label_studio(folder: Path) -> list[Path]:
    values = [
        dict(points=[[5, 5], [50, 5], [50, 50]], polygonlabels=["a"]),
        dict(x=5, y=5, width=20, height=30, rotation=0, rectanglelabels=["b"]),
        dict(x=50, y=50, radiusX=9, radiusY=5, rotation=3, ellipselabels=["b"]),
    ]
    common = dict(original_width=64, original_height=48, from_name="l", type="x")
    done = [dict(result=[dict(value=value, **common) for value in values])]
    tasks = [dict(data=dict(image=f"/data/{i}.png"), annotations=done) for i in _images(folder)]
    brush = dict(format="rle", rle=[0, 0, 48, 0, 57, 0, 0], brushlabels=["b"])
    tasks.append(dict(data=dict(image="/data/none.png"), annotations=[dict(result=[brush])]))
    return [write_json(folder / "project.json", tasks)]


def _supervisely(folder: Path) -> list[Path]:
    packed = io.BytesIO()
    Image.fromarray(np.ones((5, 6), bool)).save(packed, "PNG")
    bitmap = base64.b64encode(zlib.compress(packed.getvalue())).decode()
    points = dict(exterior=_TRIANGLE, interior=[_HOLE])
    objects = [
        dict(classTitle="a", geometryType="polygon", points=points),
        dict(classTitle="b", geometryType="bitmap", bitmap=dict(data=bitmap, origin=[3, 4])),
    ]
    data = dict(size=dict(height=48, width=64), objects=objects)
    return [write_json(folder / f"ann/{i}.png.json", data) for i in _images(folder / "img")]


def _datumaro(folder: Path) -> list[Path]:
    entries = [
        dict(type="polygon", label_id=0, group=0, points=[5, 5, 30, 5, 30, 30]),
        dict(type="mask", label_id=0, group=1, rle=_RLE),
        dict(type="bbox", label_id=0, group=1, bbox=[5, 5, 20, 20]),
    ]
    items = [
        dict(id=str(i), annotations=entries, image=dict(path=f"{i}.png", size=[48, 64]))
        for i in _images(folder)
    ]
    labels = dict(label=dict(labels=[dict(name="a")]))
    return [write_json(folder / "default.json", dict(info={}, categories=labels, items=items))]


def _sam(folder: Path) -> list[Path]:
    entries = [dict(segmentation=_RLE, predicted_iou=0.9)]
    return [
        write_json(
            folder / f"{i}.json",
            dict(
                image=dict(image_id=i, width=64, height=48, file_name=f"{i}.png"),
                annotations=entries,
            ),
        )
        for i in _images(folder)
    ]


def _panoptic(folder: Path) -> list[Path]:
    numbers = _images(folder / "images")
    files = [write_mask(folder / f"panoptic/{i}.png") for i in numbers]
    segments = [dict(id=v * 0x010101, category_id=1, iscrowd=0) for v in (1, 2)]
    data = dict(
        images=[dict(id=i, file_name=f"images/{i}.png", height=48, width=64) for i in numbers],
        annotations=[
            dict(image_id=i, file_name=f"{i}.png", segments_info=segments) for i in numbers
        ],
        categories=[dict(id=1, name="a", isthing=1)],
    )
    return [*files, *[write_json(folder / "panoptic.json", data)] * 3]


# name -> (the format's name, writer)
EXPORTS: dict[str, tuple[str, Callable[[Path], list[Path]]]] = dict(
    object_files=("masks", _object_files),
    ids=("masks", _ids),
    cvat=("cvat", _cvat),
    xml=("xml", _xml),
    rle_csv=("rle-csv", _rle_csv),
    via_csv=("via", _via_csv),
    via_project=("via", _via_project),
    geojson=("geojson", _geojson),
    label_studio=("label-studio", _label_studio),
    supervisely=("supervisely", _supervisely),
    datumaro=("datumaro", _datumaro),
    sam=("sam", _sam),
    panoptic=("panoptic", _panoptic),
)
