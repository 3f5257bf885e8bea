"""Draw the best and the worst test images of a run of nuclei_stardist.py.

    python -m benchmarks.nuclei_images FOLDER RUN --out docs/images/nuclei_stardist.jpg

RUN is the folder of one seed, such as work_dirs/dsb2018/ours/seed_0. The upper row has the images
with the highest TP / (TP + FP + FN), mean over the IoU thresholds, and the lower row those with the
lowest. Outlines at an IoU of 0.5: green, a nucleus that was found; red, one that was missed;
yellow, a detection without a nucleus.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, zoom

from benchmarks.nuclei_scores import IOU_THRS, label_maps
from condinst.evaluation.label_matching import label_overlaps, match_label_maps

_GREEN, _RED, _YELLOW = (70, 230, 90), (255, 60, 60), (255, 220, 0)
_SCALE = 2  # a line of one pixel would hide a small nucleus


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the images, and print their names and numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the dataset")
    parser.add_argument("run", type=Path, help="the folder of one seed")
    parser.add_argument("--out", type=Path, required=True, help="a JPEG file")
    parser.add_argument("--number", type=int, default=4, help="images of a row")
    parser.add_argument("--size", type=int, default=512, help="largest side of an image, in pixels")
    args = parser.parse_args(argv)
    chosen = json.loads((args.run / "result.json").read_text())["test"]["chosen"]
    found = []
    for name, truth, drawn, _ in label_maps(
        args.folder,
        "test",
        args.run / f"test_{chosen['variant']}.pkl",
        chosen["min_visible"],
        chosen["score_thr"],
    ):
        matches = match_label_maps(truth, drawn, IOU_THRS)
        found.append((float(matches.ap.mean()), name, truth, drawn, matches))
    found.sort(key=lambda one: -one[0])
    rows = []
    for part in (found[: args.number], found[-args.number :]):
        panels = []
        for ap, name, truth, drawn, matches in part:
            print(f"{ap:.3f}  {matches.tp[0]} found, {matches.fn[0]} missed, {matches.fp[0]} wrong "
                  f"at 0.5  {name}")  # fmt: skip
            image = np.asarray(Image.open(args.folder / "test" / "images" / name))
            panels.append(_fitted(draw(image, truth, drawn), args.size))
        rows.append(np.concatenate(panels, axis=1))
    Image.fromarray(np.concatenate(rows)).save(args.out, quality=80)


def draw(image: np.ndarray, truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the stretched image, enlarged, with the outlines of both label maps.

    Args:
        image: (H, W) of any range.
        truth, found: label maps, (H, W).

    Returns:
        (2H, 2W, 3) uint8.
    """
    low, high = np.percentile(image, (1, 99.8))
    gray = np.clip((image.astype(float) - low) / max(high - low, 1e-6), 0, 1) ** 0.6 * 255
    canvas = np.repeat(zoom(gray, _SCALE, order=1)[..., None], 3, axis=2).astype(np.uint8)
    overlaps = label_overlaps(truth, found)
    good = overlaps.ious >= 0.5
    for labels, right, color in (
        (truth, overlaps.objects[good], _RED),
        (found, overlaps.found[good], _YELLOW),
    ):
        for index, label in enumerate(np.unique(labels[labels > 0])):
            if index not in right:
                canvas[_outline(labels == label)] = color
    numbers = np.unique(found[found > 0])
    for index in overlaps.found[good]:
        canvas[_outline(found == numbers[index])] = _GREEN
    return canvas


def _outline(mask: np.ndarray) -> np.ndarray:
    large = mask.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
    return large & ~binary_erosion(large)


def _fitted(panel: np.ndarray, size: int) -> np.ndarray:
    """Return a panel of ``size`` x ``size`` pixels: scaled, on black."""
    image = Image.fromarray(panel)
    image.thumbnail((size - 4, size - 4))
    square = Image.new("RGB", (size, size))
    square.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return np.asarray(square)


if __name__ == "__main__":
    main()
