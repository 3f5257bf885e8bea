"""Train StarDist for some CPU minutes and write its label maps; started by nuclei_stardist.py.

The settings are those of StarDist's example for this dataset: 32 rays, grid (2, 2), percentiles 1
to 99.8 as 0 and 1, flips, turns and intensities as augmentation, thresholds optimized on the
validation images. Needs stardist and tensorflow, and nothing of condinst.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from csbdeep.utils import normalize
from PIL import Image
from stardist import fill_label_holes
from stardist.models import Config2D, StarDist2D
from tensorflow import keras


class _StopAfter(keras.callbacks.Callback):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.end = time.process_time() + seconds

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if time.process_time() > self.end:
            self.model.stop_training = True


def _augment(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    turns = np.random.randint(4)
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if np.random.rand() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    image = image * np.random.uniform(0.6, 2) + np.random.uniform(-0.2, 0.2)
    noise = 0.02 * np.random.uniform() * np.random.normal(size=image.shape)
    return image + noise, labels


def _read(folder: Path, names: list[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    images, labels = [], []
    for name in names:
        image = np.asarray(Image.open(folder / "images" / name)).astype(np.float32)
        images.append(normalize(image, 1, 99.8))
        labels.append(np.asarray(Image.open(folder / "masks" / name)).astype(np.int32))
    return images, labels


def main() -> None:
    """Train, optimize the thresholds, and predict the validation and test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cpu-minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--patience", type=int, default=8, help="epochs until the rate is halved")
    parser.add_argument("--steps", type=int, default=100, help="steps of an epoch")
    args = parser.parse_args()
    keras.utils.set_random_seed(args.seed)
    kept = set(json.loads((args.folder / "validation.json").read_text())["validation"])
    names = sorted(path.name for path in (args.folder / "train" / "images").glob("*.png"))
    val = [name for name in names if Path(name).stem in kept]
    val_images, val_labels = _read(args.folder / "train", val)
    images, labels = _read(args.folder / "train", [name for name in names if name not in val])
    labels = [fill_label_holes(one) for one in labels]

    config = Config2D(
        n_rays=32,
        grid=(2, 2),
        n_channel_in=1,
        train_epochs=10_000,
        train_steps_per_epoch=args.steps,
        train_reduce_lr=dict(factor=0.5, patience=args.patience, min_delta=0),
        train_tensorboard=False,
    )
    model = StarDist2D(config, name="model", basedir=str(args.out))
    model.prepare_for_training()
    start, cpu = time.perf_counter(), time.process_time()  # of all threads
    model.callbacks.append(_StopAfter(60 * args.cpu_minutes))
    model.train(images, labels, validation_data=(val_images, val_labels), augmenter=_augment)
    minutes, cpu = (time.perf_counter() - start) / 60, (time.process_time() - cpu) / 60
    model.optimize_thresholds(val_images, val_labels)
    test = sorted(path.name for path in (args.folder / "test" / "images").glob("*.png"))
    test_images, _ = _read(args.folder / "test", test)
    for split, files, pixels in (("val", val, val_images), ("test", test, test_images)):
        (args.out / split).mkdir(exist_ok=True)
        for name, image in zip(files, pixels, strict=True):
            found, _ = model.predict_instances(image)
            Image.fromarray(found.astype(np.uint16)).save(args.out / split / name)
    thresholds = {key: float(value) for key, value in model.thresholds._asdict().items()}
    about = dict(minutes=minutes, cpu_minutes=cpu, chosen=thresholds)
    (args.out / "train.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main()
