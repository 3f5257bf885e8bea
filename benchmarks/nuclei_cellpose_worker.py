"""Train Cellpose from scratch and write its label maps; started by nuclei_stardist.py.

Cellpose 3 without start weights (no download), with its own augmentation and schedule; the number
of epochs follows from the CPU time of a first one. Label maps are written for several thresholds
of the cell probability. Needs cellpose 3, and nothing of condinst.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from cellpose.models import CellposeModel
from cellpose.train import train_seg
from PIL import Image

THRESHOLDS = (-1.0, 0.0, 1.0)


def _read(folder: Path, names: list[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    images = [np.asarray(Image.open(folder / "images" / n)).astype(np.float32) for n in names]
    labels = [np.asarray(Image.open(folder / "masks" / n)).astype(np.int32) for n in names]
    return images, labels


def main() -> None:
    """Train, and predict the validation and test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cpu-minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()
    kept = set(json.loads((args.folder / "validation.json").read_text())["validation"])
    names = sorted(path.name for path in (args.folder / "train" / "images").glob("*.png"))
    val = [name for name in names if Path(name).stem in kept]
    images, labels = _read(args.folder / "train", [name for name in names if name not in val])
    settings = dict(channels=[0, 0], min_train_masks=1, save_path=args.out)

    start = time.process_time()  # of all threads
    # computes the flows of all images, which are stored nowhere, and trains for one epoch
    train_seg(_model(args.seed).net, images, labels, n_epochs=1, **settings)
    first = time.process_time() - start
    start = time.process_time()
    train_seg(_model(args.seed).net, images, labels, n_epochs=2, **settings)
    epoch = max(time.process_time() - start - first, 0.1)
    epochs = max(1, int((60 * args.cpu_minutes - max(first - epoch, 0)) / epoch))
    model = _model(args.seed)
    start, cpu = time.perf_counter(), time.process_time()
    train_seg(model.net, images, labels, n_epochs=epochs, **settings)
    minutes, cpu = (time.perf_counter() - start) / 60, (time.process_time() - cpu) / 60

    diameter = float(model.net.diam_labels.item())
    test = sorted(path.name for path in (args.folder / "test" / "images").glob("*.png"))
    for split, files in (("val", val), ("test", test)):
        place = args.folder / ("test" if split == "test" else "train")
        for name, image in zip(files, _read(place, files)[0], strict=True):
            for threshold in THRESHOLDS:
                found = model.eval(
                    image, channels=[0, 0], diameter=diameter, cellprob_threshold=threshold
                )[0]
                folder = args.out / f"{split}_{threshold:g}"
                folder.mkdir(exist_ok=True)
                Image.fromarray(np.asarray(found).astype(np.uint16)).save(folder / name)
    thresholds = [f"{t:g}" for t in THRESHOLDS]
    about = dict(minutes=minutes, cpu_minutes=cpu, epochs=epochs, thresholds=thresholds)
    (args.out / "train.json").write_text(json.dumps(about))


def _model(seed: int) -> CellposeModel:
    torch.manual_seed(seed)
    return CellposeModel(gpu=False, pretrained_model=False)


if __name__ == "__main__":
    main()
