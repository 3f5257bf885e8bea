"""`condinst new` on a damaged folder of another format than COCO."""

from __future__ import annotations

import random
from pathlib import Path

from coco_commands import check_and_load
from folder_fuzz import damage, format_of, write
from harness import command

__all__ = ["new_of_folder"]


def new_of_folder(kind: str, seed: int, folder: Path) -> None:
    """Write a folder, damage one to three of its files, and make a config of it.

    What was made has to be sound: every sample of it loads.
    """
    random_ = random.Random(f"{kind} {seed}")
    data, out = folder / "data", folder / "out"
    data.mkdir(parents=True)
    files = write(kind, data)
    for path in {random_.choice(files) for _ in range(random_.choice((1, 1, 3)))}:
        damage(path, random_)
    words = ["new", "x", "--data", str(data), "--out", str(out), "--device", "cpu"]
    if command([*words, "--format", format_of(kind)], [str(data)]):
        return
    from mmengine.config import Config

    cfg = Config.fromfile(out / "x.py")
    dataset = cfg.train_dataloader.dataset
    while "dataset" in dataset:
        dataset = dataset.dataset
    root = Path(dataset.get("data_root") or "")
    masks = cfg.model.type != "BoxInst"
    check_and_load(root / dataset.ann_file, root / dataset.data_prefix.img, masks)
