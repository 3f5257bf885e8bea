"""What is done with a damaged COCO file: each function raises where it ends badly."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

from harness import command

__all__ = ["COMMANDS", "check_and_load"]


def check_and_load(ann_file: Path, images: Path, masks: bool = True) -> None:
    """As before and in a training: the look through the data, then every sample.

    Args:
        masks: whether the training has masks, or boxes only.
    """
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from condinst.datasets.checks.checks import check_datasets
    from condinst.datasets.coco.coco_file import read_coco_file
    from condinst.registry import DATASETS

    init_default_scope("condinst")
    names = [name for _, name in read_coco_file(str(ann_file)).categories]
    node = dict(
        type="condinst.CocoDataset",
        ann_file=str(ann_file),
        data_prefix=dict(img=str(images)),
        metainfo=dict(classes=tuple(names)),
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="condinst.LoadAnnotations", with_bbox=True, with_mask=masks, poly2mask=False),
        ],
    )
    check_datasets(Config(dict(train_dataloader=dict(dataset=node))), splits=("train",))
    dataset = DATASETS.build(node)
    for index in range(len(dataset)):
        sample = dataset[index]
        if masks and len(sample["gt_masks"]):
            assert sample["gt_masks"].areas.shape == (len(sample["gt_masks"]),)


def load(ann: Path, images: Path, out: Path) -> None:
    from condinst.datasets.coco.coco_file import read_coco_file

    try:
        read_coco_file(str(ann))
    except ValueError:  # worded to follow the file's name
        return
    try:
        check_and_load(ann, images)
    except ValueError as error:
        if ann.name not in str(error):
            raise


def doctor(ann: Path, images: Path, out: Path) -> None:
    command(["doctor", "--data", str(ann), "--images", str(images)], [ann.name])


def fix(ann: Path, images: Path, out: Path) -> None:
    words = ["doctor", "--data", str(ann), "--images", str(images), "--fix", str(out)]
    command(words, [ann.name])
    made = out / "annotations" / ann.name
    if made.exists():
        from condinst.datasets.coco.coco_file import read_coco_file

        file = read_coco_file(str(made))
        assert [*file.problems, *file.fixes] == []
        learnable = (~file.crowd & ~file.ignore).any() if len(file.crowd) else False
        if learnable and file.categories:
            try:
                check_and_load(made, images)
            except ValueError as error:
                if "no annotation to learn from" not in str(error):
                    raise


def new(ann: Path, images: Path, out: Path) -> None:
    folder = ann.parent / "set"
    folder.mkdir(exist_ok=True)
    if not (folder / "val").exists():
        os.symlink(images, folder / "val")
    shutil.copy(ann, folder / ann.name)
    words = ["new", "x", "--data", str(folder / ann.name), "--out", str(out), "--device", "cpu"]
    if not command([*words, "--format", "coco"], [ann.name, "instances_", str(folder)]):
        for made in (out / "annotations").glob("*.json"):
            from condinst.datasets.coco.coco_file import read_coco_file

            assert not read_coco_file(str(made)).problems
        for made in (out / "annotations").glob("*train.json"):
            check_and_load(made, images)


def tile(ann: Path, images: Path, out: Path) -> None:
    words = ["tile", str(ann), "--images", str(images), "--out", str(out), "--tile", "64"]
    command(words, [ann.name, str(images)])


COMMANDS = dict(doctor=doctor, fix=fix, new=new, tile=tile, load=load)
warnings.filterwarnings("ignore")
