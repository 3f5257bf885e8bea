"""Datasets of a few boxes, and facts made up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from condinst.images.pixel_format import PixelFormat
from condinst.new.facts import DataFacts
from condinst.new.inputs import Inputs


@dataclass(frozen=True)
class Part:
    """A split, as ``condinst.dataset_converters`` hands it out."""

    ann_file: Path
    img_dir: Path

    @property
    def source(self) -> Path:
        return self.ann_file


def write_part(
    folder: Path,
    name: str,
    images: list[list[tuple[str, int]]],
    classes: list[str],
    *,
    size: tuple[int, int] = (64, 48),
    sizes: list[tuple[int, int]] | None = None,
    masks: bool = True,
    mode: str = "RGB",
) -> Part:
    """Write images with square objects.

    Args:
        images: of each, the class and the side of its objects.
        size: width and height of all images.
        sizes: of each, in place of ``size``.
    """
    entries, annotations = [], []
    (folder / name).mkdir(parents=True)
    for i, objects in enumerate(images):
        width, height = sizes[i] if sizes else size
        file_name = f"{i}.png"
        pixels = (np.arange(width * height).reshape(height, width) + i) % 251
        Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(folder / name / file_name)
        entries.append(dict(id=i + 1, file_name=file_name, width=width, height=height))
        for label, side in objects:
            polygon = [1, 1, 1 + side, 1, 1 + side, 1 + side, 1, 1 + side]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i + 1,
                    category_id=classes.index(label) + 1,
                    bbox=[1, 1, side, side],
                    area=side * side,
                    iscrowd=0,
                )
                | (dict(segmentation=[polygon]) if masks else {})
            )
    categories = [dict(id=i + 1, name=label) for i, label in enumerate(classes)]
    path = folder / "annotations" / f"instances_{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps(dict(images=entries, annotations=annotations, categories=categories))
    )
    return Part(path, folder / name)


def make_facts(**changes) -> DataFacts:
    """Facts like those of photographs; any of them may be given."""
    values = dict(
        classes=("cat", "dog"),
        unused=(),
        num_train=400,
        num_val=100,
        num_objects=2000,
        num_negatives=0,
        images_per_class=(200, 250),
        size=(640, 480),
        smallest_side=427,
        largest=(640, 640),
        aspect=4 / 3,
        object_sizes=(20.0, 64.0, 240.0),
        grows=True,
        busiest=30,
        busiest_file="a.jpg",
        masks=(True, True),
        inputs=Inputs({}, PixelFormat(), 255.0, ()),
        img_paths=(),
    )
    return DataFacts(**{**values, **changes})
