"""A small sound dataset, and one variant of it for each issue of the catalog."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

WIDTH, HEIGHT = 64, 48
SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]  # 20 x 20
BAR = [40, 5, 50, 5, 50, 45, 40, 45]  # 10 x 40


def rle(x: int, y: int, width: int, height: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> dict:
    mask = np.zeros(size, np.uint8, order="F")
    mask[y : y + height, x : x + width] = 1
    rle = coco_mask.encode(mask)
    return {"size": list(size), "counts": rle["counts"].decode()}


def annotation(number: int, image: int, category: int, polygon: list, **changes) -> dict:
    x, y = polygon[::2], polygon[1::2]
    width, height = max(x) - min(x), max(y) - min(y)
    made = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [min(x), min(y), width, height],
        "area": width * height,
        "iscrowd": 0,
        "segmentation": [polygon],
    }
    return made | changes


def sound_data() -> dict:
    """Three images, two classes, five annotations: polygons, RLE of both kinds, a crowd."""
    runs = [10 * HEIGHT + 10, *([20, HEIGHT - 20] * 19), 20, 34 * HEIGHT + 18]
    return {
        "info": {"year": 2020},
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in (1, 2, 3)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            annotation(1, 1, 1, SQUARE),
            annotation(2, 1, 2, BAR),
            annotation(3, 2, 1, SQUARE, segmentation=rle(10, 10, 20, 20)),
            annotation(4, 2, 2, BAR, iscrowd=1, segmentation=rle(40, 5, 10, 40)),
            annotation(
                5,
                3,
                1,
                SQUARE,
                segmentation={"size": [HEIGHT, WIDTH], "counts": runs},
                extra="kept",
            ),
        ],
    }


def write(folder: Path, data: dict) -> Path:
    """The dataset in a new folder, its images of noise."""
    (folder / "images").mkdir(parents=True)
    for image in data["images"]:
        save(folder / "images" / image["file_name"], seed=image["id"])
    return write_json(folder, data)


def write_json(folder: Path, data: dict) -> Path:
    (folder / "ann.json").write_text(json.dumps(data))
    return folder / "ann.json"


def save(path: Path, seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT), **options) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(path, **options)


@dataclass(frozen=True)
class Case:
    """One issue: ``put`` changes the data or the files so that it is found at ``places``."""

    kind: str
    put: Callable[[dict, Path], None]
    places: list  # annotation ids, ("image", id) of images, or parts of details
    along: tuple[str, ...] = ()  # other kinds that the change causes


def _change(number: int, **changes) -> Callable[[dict, Path], None]:
    def put(data: dict, folder: Path) -> None:
        data["annotations"][number - 1] |= changes

    return put


def _remove(number: int, key: str) -> Callable[[dict, Path], None]:
    def put(data: dict, folder: Path) -> None:
        del data["annotations"][number - 1][key]

    return put


def _polygon(number: int, polygon: list, **changes) -> Callable[[dict, Path], None]:
    def put(data: dict, folder: Path) -> None:
        old = data["annotations"][number - 1]
        data["annotations"][number - 1] = old | {"segmentation": [polygon]} | changes

    return put


def _file(name: str, make: Callable[[Path], None]) -> Callable[[dict, Path], None]:
    def put(data: dict, folder: Path) -> None:
        make(folder / "images" / name)

    return put


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def _as_jpeg(orientation: int, size: tuple[int, int]) -> Callable[[dict, Path], None]:
    def put(data: dict, folder: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        data["images"][0]["file_name"] = "1.jpg"
        (folder / "images" / "1.png").unlink()
        save(folder / "images" / "1.jpg", seed=1, size=size, exif=exif)

    return put


def _unlisted(data: dict, folder: Path) -> None:
    save(folder / "images" / "more.png", seed=9)


def _image_twice(data: dict, folder: Path) -> None:
    data["images"].append(data["images"][0] | {"file_name": "4.png"})
    save(folder / "images" / "4.png", seed=4)


def _stored_twice(data: dict, folder: Path) -> None:
    data["images"].append(data["images"][0] | {"id": 4, "file_name": "4.png"})
    data["annotations"].append(annotation(6, 4, 1, SQUARE))
    (folder / "images" / "4.png").write_bytes((folder / "images" / "1.png").read_bytes())


def _same_pixels_in_another_format(data: dict, folder: Path) -> None:
    data["images"].append(data["images"][0] | {"id": 4, "file_name": "4.bmp"})
    Image.open(folder / "images" / "1.png").save(folder / "images" / "4.bmp")


def _file_twice(data: dict, folder: Path) -> None:
    data["images"].append(data["images"][0] | {"id": 4})
    data["annotations"].append(annotation(6, 4, 1, [2, 2, 8, 2, 8, 8, 2, 8]))


def _again(data: dict, folder: Path) -> None:
    data["annotations"].append(data["annotations"][0] | {"id": 6})


def _same_id(data: dict, folder: Path) -> None:
    data["annotations"][1]["id"] = 1


def _category(*more: dict) -> Callable[[dict, Path], None]:
    def put(data: dict, folder: Path) -> None:
        data["categories"] += more

    return put


def _name_twice(data: dict, folder: Path) -> None:
    data["categories"].append({"id": 3, "name": "cat"})
    data["annotations"][0]["category_id"] = 3


def _gaps(data: dict, folder: Path) -> None:
    data["categories"][1]["id"] = 7
    for ann in data["annotations"]:
        ann["category_id"] = {1: 1, 2: 7}[ann["category_id"]]


# a ring that runs around a 2 x 6 part twice: 92 px filled, 80 by the even-odd rule
LOOP = [0, 0, 10, 0, 10, 10, 4, 10, 4, 2, 6, 2, 6, 8, 0, 8]
KNOT = [10, 10, 30, 10, 30, 30, 10.2, 30, 10.2, 29.8, 10.4, 29.8, 10.4, 30.0, 10, 30]
BOW = [10, 10, 30, 30, 30, 10, 10, 30]

CASES = [
    Case("missing_file", _file("2.png", Path.unlink), [("image", 2)]),
    Case("unreadable_file", _file("2.png", _cut_off), [("image", 2)]),
    Case("unreadable_file", _file("2.png", lambda p: p.write_bytes(b"")), [("image", 2)]),
    Case("unreadable_file", _file("2.png", lambda p: p.write_text("no")), [("image", 2)]),
    Case("image_size", _file("1.png", lambda p: save(p, 1, (64, 40))), [("image", 1)]),
    Case("image_id_twice", _image_twice, [("image", 1)]),
    Case("image_file_twice", _file_twice, [("image", 4)]),
    Case("same_pixels", _stored_twice, [("image", 4)]),
    Case("same_pixels", _same_pixels_in_another_format, [("image", 4)]),
    Case("exif", _as_jpeg(6, (HEIGHT, WIDTH)), [("image", 1)]),
    Case("exif", _as_jpeg(6, (WIDTH, HEIGHT)), [("image", 1)]),
    Case("exif_unclear", _as_jpeg(3, (WIDTH, HEIGHT)), [("image", 1)]),
    Case("not_listed", _unlisted, ["more.png"]),
    Case("category_id_twice", _category({"id": 2, "name": "cow"}), ["2: 'cow'"], ("class_unused",)),
    Case("category_name_twice", _name_twice, ["'cat': id 3"]),
    Case("category_gaps", _gaps, ["1, 7"]),
    Case("class_unused", _category({"id": 3, "name": "cow"}), ["cow"]),
    Case("unknown_image", _change(1, image_id=99), [1]),
    Case("unknown_category", _change(1, category_id=99), [1]),
    Case("annotation_id_twice", _same_id, [1]),
    Case("no_crowd_flag", _remove(1, "iscrowd"), [1]),
    Case("same_annotation", _again, [6]),
    Case("no_mask", _change(1, segmentation=[]), [1]),
    Case("no_mask", _remove(1, "segmentation"), [1]),
    Case("malformed_mask", _change(1, segmentation="no"), [1]),
    Case("malformed_mask", _change(1, segmentation=[[1, 2, 3, 4, 5, None]]), [1]),
    Case("malformed_mask", _change(3, segmentation={"size": [48, 64], "counts": "1"}), [3]),
    Case("mask_size", _change(3, segmentation=rle(10, 10, 20, 20, (WIDTH, HEIGHT))), [3]),
    Case("empty_mask", _change(3, segmentation=rle(0, 0, 0, 0)), [3]),
    Case("empty_mask", _polygon(1, [10.6, 10.6, 10.9, 10.6, 10.9, 10.9],
                                bbox=[10, 10, 1.2, 1.2], area=1), [1]),
    Case("short_polygon", _change(1, segmentation=[SQUARE, [10, 10, 30, 30]]), [1]),
    Case("short_polygon", _change(1, segmentation=[[10, 10, 30, 30]]), [1]),
    Case("flat_polygon", _change(1, segmentation=[SQUARE, [10, 10, 20, 20, 30, 30]]), [1]),
    Case("flat_polygon", _change(1, segmentation=[[10, 10, 20, 20, 30, 30]]), [1]),
    Case("crossing", _polygon(1, LOOP, bbox=[0, 0, 10, 10], area=80), [1]),
    Case("crossing", _polygon(1, BOW, area=200), [1]),
    Case("crossing_slightly", _polygon(1, KNOT), [1]),
    Case("no_box", _remove(1, "bbox"), [1]),
    Case("no_box", _change(1, bbox=[1, 2, 3]), [1]),
    Case("degenerate_box", _change(1, bbox=[10, 10, 0, 20]), [1]),
    Case("tiny_box", _polygon(1, [10, 10, 10.6, 10, 10.6, 30, 10, 30],
                              bbox=[10, 10, 0.6, 20], area=12), [1]),
    Case("box_outside", _polygon(1, [70, 10, 90, 10, 90, 30, 70, 30], bbox=[70, 10, 20, 20]), [1]),
    Case("box_partly_outside", _polygon(1, [-5, 10, 15, 10, 15, 30, -5, 30],
                                        bbox=[-5, 10, 20, 20]), [1]),
    Case("box_mask", _change(1, bbox=[10, 10, 23, 20]), [1]),
    Case("box_mask", _change(3, bbox=[10, 10, 23, 20]), [3]),
    Case("no_box", _change(1, bbox=[10, math.nan, 20, 20]), [1]),
    Case("no_box", _change(1, bbox=[10, 10, 1e12, 20]), [1]),
    Case("malformed_mask", _change(1, segmentation=[[*SQUARE[:-1], math.nan]]), [1]),
    Case("malformed_mask", _change(1, segmentation=[[*SQUARE[:-1], 1e12]]), [1]),
    Case("no_area", _change(1, area=math.nan), [1]),
    Case("other_type", _change(1, area="400"), [1]),
    Case("other_type", _change(1, iscrowd="0"), [1]),
    Case("other_type", _change(1, segmentation=[[[10, 10], [30, 10], [30, 30], [10, 30]]]), [1]),
    Case("wrong_flag", _change(1, iscrowd=[]), [1]),
    Case("no_area", _remove(1, "area"), [1]),
    Case("area_zero", _change(1, area=0), [1]),
    Case("area_mask", _change(1, area=600), [1]),
    Case("area_mask", _change(3, area=300), [3]),
]  # fmt: skip
