"""Write what labeling programs import: labelme, CVAT, Label Studio, YOLO."""

from __future__ import annotations

import json
import os
import shutil
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.sax.saxutils import quoteattr

from condinst.results import annotation_formats as formats
from condinst.results.coco_content import distinct_names
from condinst.results.formats import to_labelme
from condinst.utils.files import replacing, write_whole

if TYPE_CHECKING:
    from condinst.results.edit_polygons import EditOutline
    from condinst.results.results import Results

__all__ = [
    "ANNOTATION_FORMATS",
    "FOLDER_NAMES",
    "AnnotationOutput",
    "Draft",
    "check_class_names",
    "image_paths",
    "shared_paths",
]

ANNOTATION_FORMATS = ("labelme", "cvat", "labelstudio", "yolo")
"""The formats for image files, not for videos."""

FOLDER_NAMES = ("cvat_labels", "labelstudio", "labelstudio_config", "yolo")
"""The names in the output folder that no image's files may have."""

_SHARED = {
    "yolo": ("yolo/data.yaml", "yolo/classes.txt"),
    "cvat": ("annotations.xml", "cvat_labels.json"),
    "labelstudio": ("labelstudio.json", "labelstudio_config.xml"),
}

# an image's path, its size, CVAT's shapes and Label Studio's prediction
Draft: TypeAlias = tuple[str, tuple[int, int], str, dict[str, Any]]


def check_class_names(class_names: Sequence[str], chosen: Sequence[str]) -> None:
    """Refuse names that the formats cannot hold.

    Raises:
        ValueError: a class name has a control character, and a chosen format is XML or lines.
    """
    for kind in sorted({"cvat", "labelstudio", "yolo"} & set(chosen)):
        for name in class_names:
            if not name.isprintable() or not name:
                raise ValueError(
                    f"--format {kind}: it cannot hold the class name {name!r}; expected printable "
                    "characters"
                )


def image_paths(
    out: Path, chosen: Sequence[str], name: str, path: str | os.PathLike[str]
) -> list[Path]:
    """Return the files that :meth:`AnnotationOutput.write` writes for an image.

    Args:
        out: output folder.
        chosen: the formats; those of other classes are ignored.
        name: name of the image's files, without ending.
        path: of the image.
    """
    files = [out / f"{name}.json"] if "labelme" in chosen else []
    if "yolo" in chosen:
        files += _yolo_paths(out, name, path)
    return files


def _yolo_paths(out: Path, name: str, path: str | os.PathLike[str]) -> list[Path]:
    folder = out / "yolo"
    image = folder / "images" / "train" / f"{name}{Path(path).suffix}"
    return [image, folder / "labels" / "train" / f"{name}.txt"]


def shared_paths(out: Path, chosen: Sequence[str]) -> list[Path]:
    """Return the files that :meth:`AnnotationOutput.finish` writes."""
    names = [name for kind, files in _SHARED.items() if kind in chosen for name in files]
    return [out / name for name in names]


class AnnotationOutput:
    """Write the files of the formats for images.

    Args:
        out: output folder, which exists.
        chosen: the formats; those of other classes are ignored.
        class_names: the name of every label.
    """

    def __init__(self, out: Path, chosen: Sequence[str], class_names: Sequence[str]) -> None:
        self.out = out
        self._chosen = [kind for kind in chosen if kind in ANNOTATION_FORMATS]
        self._class_names = class_names
        check_class_names(class_names, chosen)
        self._images: list[Draft] = []

    def __len__(self) -> int:
        """Return the number of images that the files for all images have so far."""
        return len(self._images)

    def take(self) -> Draft:
        """Remove and return what the files for all images need of the last image."""
        return self._images.pop()

    def put(self, draft: Draft) -> None:
        """Add what another process took."""
        self._images.append(draft)

    def cut(self, size: int) -> None:
        """Forget all images but the first ones."""
        del self._images[size:]

    def write(self, results: Results, name: str) -> None:
        """Write the files of one image, and keep what the files of all images need."""
        if not self._chosen:
            return
        assert results.path is not None
        found = formats.outlines(results)
        if "labelme" in self._chosen:
            place = Path(os.path.relpath(results.path, self.out)).as_posix()
            content = self._labelme(results, found, place)
            write_whole(self.out / f"{name}.json", json.dumps(content, indent=1))
        if "yolo" in self._chosen:
            image, rows = _yolo_paths(self.out, name, results.path)
            with replacing(image) as temporary:
                shutil.copyfile(results.path, temporary)
            write_whole(rows, formats.yolo_rows(results, found))
        shapes = formats.cvat_shapes(results, found) if "cvat" in self._chosen else ""
        prediction = {}
        if "labelstudio" in self._chosen:
            prediction = formats.label_studio_prediction(results, found)
        self._images.append((results.path, results.image_size, shapes, prediction))

    def _labelme(self, results: Results, found: list[EditOutline], place: str) -> dict[str, Any]:
        kept = [
            outline.parts if crop.mask.size else []
            for outline, crop in zip(found, results.crops, strict=True)
        ]
        rows = results.names.tolist(), results.scores, results.boxes, kept
        return to_labelme(*rows, results.image_size, place)

    def finish(self) -> None:
        """Write the files of all images so far."""
        names = self._class_names
        content: dict[str, str] = {}
        if "yolo" in self._chosen:
            content["yolo/data.yaml"] = formats.yolo_names(names, "images/train")
            content["yolo/classes.txt"] = "".join(f"{name}\n" for name in names)
        if "cvat" in self._chosen:
            content["annotations.xml"] = self._cvat()
            content["cvat_labels.json"] = formats.cvat_labels(names)
        if "labelstudio" in self._chosen:
            tasks = [
                dict(data=dict(image=_served(path)), predictions=[prediction])
                for path, _, _, prediction in self._images
            ]
            content["labelstudio.json"] = json.dumps(tasks)
            content["labelstudio_config.xml"] = formats.label_studio_config(names)
        for name, text in content.items():
            write_whole(self.out / name, text)

    def _cvat(self) -> str:
        names = distinct_names([path for path, *_ in self._images])
        parts = [formats.cvat_start(self._class_names, len(names))]
        rows = zip(names, self._images, strict=True)
        for number, (name, (_, (height, width), shapes, _)) in enumerate(rows):
            start = f'<image id="{number}" name={quoteattr(name)} width="{width}" height="{height}"'
            parts.append(f"{start}>\n{shapes}\n</image>\n" if shapes else f"{start}></image>\n")
        return "".join([*parts, "</annotations>\n"])


def _served(path: str) -> str:
    """Return the address at which Label Studio serves a local file, below its default root."""
    whole = Path(os.path.abspath(path))
    inside = whole.relative_to(whole.anchor).as_posix()
    return f"/data/local-files/?d={urllib.parse.quote(inside)}"
