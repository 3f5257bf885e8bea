"""Cut a COCO dataset of large images into a dataset of tiles, each in its own file.

This helps when reading an image takes longer than training on a tile of it: an image of 100
megapixels takes seconds to read. SAHI's ``slice_coco`` does the same for polygons and refuses RLE.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmdet.structures.mask import PolygonMasks

from condinst.dataset_converters.tile_names import output_names
from condinst.dataset_converters.write_coco import output_path, write_coco
from condinst.datasets.coco.coco_file import read_unnamed
from condinst.datasets.coco.coco_records import CocoFile
from condinst.images.decoding import read_stored
from condinst.images.pixel_format import turn_upright
from condinst.masks.crop import Crop
from condinst.masks.crop_masks import CropMasks, crop_of_runs
from condinst.masks.polygon_rle import polygons_to_rle
from condinst.masks.rle import as_text, checked_rle, encode_crop, read_counts
from condinst.masks.self_crossing import has_many_crossings
from condinst.tiling.tiling import Tile, Tiling
from condinst.utils.files import read_regular, write_whole
from condinst.utils.names import NamesInFolder
from condinst.utils.plain import plain, plain_annotation

__all__ = ["TiledFiles", "cut_files"]


@dataclass
class TiledFiles:
    """The files and numbers that :func:`cut_files` returns.

    Attributes:
        annotations: the json that was written.
        images: the folder of the tiles; the file names of the json start from it.
        num_images: number of images read.
        num_tiles: number of tiles written.
        num_objects: number of annotations on the tiles; an object on two tiles counts twice.
        num_crowds: number of these that are crowds.
    """

    annotations: Path
    images: Path
    num_images: int = 0
    num_tiles: int = 0
    num_objects: int = 0
    num_crowds: int = 0


def cut_files(
    ann_file: str | Path,
    img_dir: str | Path,
    out: str | Path,
    *,
    tile: int | tuple[int, int],
    overlap: float = 0.2,
    min_visible: float = 0.3,
    keep_empty: bool = True,
) -> TiledFiles:
    """Write OUT/annotations/instances_NAME.json and the tiles OUT/NAME/.

    The tiles of a file annotations.json are in OUT/images/.

    Tiles are PNG, or NPY for pixels that PNG cannot hold. Polygons stay polygons and RLEs stay
    RLEs; both are cut at the tile, and boxes fit the visible mask. An object with a visible
    fraction below ``min_visible`` becomes a crowd: it is not learned, and the AP ignores it.

    Args:
        ann_file: a file in COCO's instance format; it is not changed.
        img_dir: the folder that its file names start from.
        out: the folder to write to.
        tile, overlap: see :class:`~condinst.tiling.tiling.Tiling`.
        min_visible: fraction of an object's pixels, from 0 to 1; see above.
        keep_empty: whether to write tiles without objects.

    Returns:
        The paths and numbers of what was written.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the json is not COCO's, an image is broken or not of the size in the json, an
            argument is out of range, or OUT holds a json of that name that was not written here.
    """
    tiling = Tiling.of(tile, overlap, False, 0.5)
    assert tiling is not None
    if not 0 <= min_visible <= 1:
        raise ValueError(f"min_visible={min_visible}: expected 0 to 1")
    if not Path(ann_file).is_file():
        raise FileNotFoundError(f"annotation file not found: {ann_file}")
    try:
        data = _records(str(ann_file))
    except ValueError as error:
        raise ValueError(f"{ann_file}: {error}") from None
    if not data.file_names:
        raise ValueError(f"{ann_file}: has no images")
    name, folder = output_names(ann_file)
    path = output_path(Path(out), name)
    written = TiledFiles(path, Path(out) / folder)
    for new, read in ((path, ann_file), (written.images, img_dir)):
        if new.exists() and new.samefile(read):
            raise ValueError(f"{new}: would be replaced while it is read; give another folder")
    names = NamesInFolder(written.images)
    new_images: list[dict] = []
    new_annotations: list[dict] = []
    images = zip(data.file_names, data.sizes.tolist(), data.annotations_of_image, strict=True)
    for file_name, (height, width), chosen in images:
        pixels = _read(Path(img_dir) / file_name, (height, width))
        written.num_images += 1
        objects = [plain_annotation(data.annotation(i)) for i in chosen.tolist()]
        where = f"{ann_file}: {file_name}"
        stem = names.take(file_name)
        for place in tiling.tiles((height, width)):
            found = list(_objects(objects, (height, width), place, min_visible, where))
            if not found and not keep_empty:
                continue
            part = pixels[place.y1 : place.y2, place.x1 : place.x2]
            file = _write(part, stem.with_name(f"{stem.name}_{place.x1}_{place.y1}"))
            number = len(new_images) + 1
            file_name = file.relative_to(written.images).as_posix()
            new_images.append(
                dict(id=number, file_name=file_name, height=part.shape[0], width=part.shape[1])
            )
            for item in found:
                new_annotations.append({**item, "id": len(new_annotations) + 1, "image_id": number})
    written.num_tiles, written.num_objects = len(new_images), len(new_annotations)
    written.num_crowds = sum(item["iscrowd"] for item in new_annotations)
    write_coco(
        path,
        images=new_images,
        annotations=new_annotations,
        categories=plain(data.category_entries),
    )
    return written


def _records(path: str) -> CocoFile:
    data = read_unnamed(path, keep_extras=True)
    if not data.has_annotations:
        raise ValueError("not COCO's layout: expected the key annotations")
    if data.problems:
        raise ValueError(
            f"{'; '.join(data.problems)} (condinst doctor --data FILE --fix OUT writes a fixed "
            "copy)"
        )
    return data


def _read(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Read (H, W, C) pixels as stored, in the orientation of the annotations."""
    try:
        stored = read_stored(read_regular(path))
    except FileNotFoundError:
        raise FileNotFoundError(f"image file not found: {path}") from None
    except (ValueError, ImportError) as error:
        raise ValueError(f"image file {path}: {error}") from error
    for pixels in (turn_upright(stored.pixels, stored.orientation), stored.pixels):
        if pixels.shape[:2] == size:
            return pixels
    height, width = stored.pixels.shape[:2]
    raise ValueError(
        f"image file {path}: the image is {width} x {height} (width x height), its annotations "
        f"say {size[1]} x {size[0]}"
    )


def _write(pixels: np.ndarray, stem: Path) -> Path:
    """Write a tile and return its path, which is the stem with a suffix."""
    channels = pixels.shape[2]
    if channels in (1, 3, 4) and pixels.dtype in (np.uint8, np.uint16):
        path = stem.with_name(f"{stem.name}.png")
        order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
        done, data = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, order]))
        if not done:
            raise OSError(f"{path}: OpenCV cannot encode it")
        write_whole(path, data.tobytes())
    else:
        path = stem.with_name(f"{stem.name}.npy")
        buffer = io.BytesIO()
        np.save(buffer, pixels)
        write_whole(path, buffer.getvalue())
    return path


def _objects(
    annotations: list[dict], size: tuple[int, int], tile: Tile, min_visible: float, where: str
) -> Iterator[dict[str, Any]]:
    """Yield the annotations with a pixel in the tile, in the tile's coordinates."""
    for annotation in annotations:
        x, y, width, height = annotation["bbox"]
        box = np.array([x, y, x + width, y + height])
        if (box[:2] >= tile[2:]).any() or (box[2:] <= tile[:2]).any():
            continue
        is_cut = bool((box[:2] < tile[:2]).any() or (box[2:] > tile[2:]).any())
        corner = [tile.x1, tile.y1]
        segmentation = annotation.get("segmentation")
        moved = {**annotation, "bbox": [x - tile.x1, y - tile.y1, width, height]}
        moved.setdefault("iscrowd", 0)
        if not segmentation:
            visible = np.clip(box, corner * 2, [*tile[2:]] * 2) - corner * 2
            visible[2:] -= visible[:2]
            area = float(visible[2:].prod())
            fraction = area / width / height if width and height else 0.0
            moved |= dict(bbox=visible.tolist(), area=area)
        else:
            try:
                masks = _masks(segmentation, size)
            except (ValueError, TypeError) as error:
                raise ValueError(f"{where}: annotation {annotation.get('id')}: {error}") from error
            inside = masks.crop(np.array(tile[:4]))
            crop = _pixels(inside)
            pixels = int(np.count_nonzero(crop.mask))
            if not pixels:
                continue
            moved |= dict(segmentation=_store(inside, crop))
            fraction = 1.0
            if is_cut:
                fraction = pixels / max(int(np.count_nonzero(_pixels(masks).mask)), 1)
                rows, columns = crop.mask.shape
                moved |= dict(bbox=[crop.x, crop.y, columns, rows], area=pixels)
            if fraction < min_visible:
                moved["segmentation"] = as_text(encode_crop(crop, (inside.height, inside.width)))
        if fraction < min_visible:
            moved["iscrowd"] = 1
        yield moved


def _masks(segmentation: Any, size: tuple[int, int]) -> CropMasks | PolygonMasks:
    if isinstance(segmentation, dict):
        rle = checked_rle(segmentation, *size)
        return CropMasks([crop_of_runs(read_counts(rle["counts"]), size[0])], *size)
    polygons = [np.array(p, float) for p in segmentation if len(p) >= 6 and len(p) % 2 == 0]
    # too many crossings to cut at
    if any(has_many_crossings(polygon.reshape(-1, 2)) for polygon in polygons):
        rle = polygons_to_rle(polygons, *size)
        return CropMasks([crop_of_runs(read_counts(rle["counts"]), size[0])], *size)
    return PolygonMasks([polygons or [np.zeros(6)]], *size)


def _pixels(masks: CropMasks | PolygonMasks) -> Crop:
    """Return the pixels of the only mask."""
    if isinstance(masks, CropMasks):
        found, (_, x, y) = Crop.of(masks.crops[0].mask), masks.crops[0]
        return Crop(found.mask, found.x + x, found.y + y) if found.mask.size else found
    rle = polygons_to_rle(masks.masks[0], masks.height, masks.width)
    return crop_of_runs(read_counts(rle["counts"]), masks.height)


def _store(masks: CropMasks | PolygonMasks, crop: Crop) -> Any:
    if isinstance(masks, PolygonMasks):
        return [[round(float(value), 2) for value in polygon] for polygon in masks.masks[0]]
    return as_text(encode_crop(crop, (masks.height, masks.width)))
