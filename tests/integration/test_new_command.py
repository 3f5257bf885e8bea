"""condinst new, then the three commands that it ends with, as typed: COCO json and labelme."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from condinst.cli.main import main

FEW = [
    "train_cfg.max_iters=2",
    "train_dataloader.batch_size=2",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
    "test_dataloader.num_workers=0",
    "test_dataloader.persistent_workers=False",
    # so that a model that has learned nothing hands out something, but not hundreds
    "model.test_cfg.score_thr=0.0",
    "model.test_cfg.max_per_img=3",
]


def to_labelme(shapes: Path, folder: Path) -> None:
    """The polygons of the training images, a json beside each; RLE is not labelme's."""
    truth = COCO(shapes / "annotations" / "instances_train.json")
    names = {category["id"]: category["name"] for category in truth.cats.values()}
    folder.mkdir()
    for image in truth.imgs.values():
        rows = []
        for annotation in truth.imgToAnns[image["id"]]:
            parts = annotation["segmentation"]
            for part in parts if isinstance(parts, list) else []:
                points = [part[i : i + 2] for i in range(0, len(part), 2)]
                label = names[annotation["category_id"]]
                group = annotation["id"]
                rows.append(
                    dict(label=label, points=points, shape_type="polygon", group_id=group, flags={})
                )
        name = image["file_name"]
        shutil.copy(shapes / "train" / name, folder / name)
        content = dict(version="5.5.0", flags={}, shapes=rows, imagePath=name, imageData=None)
        content |= dict(imageHeight=image["height"], imageWidth=image["width"])
        (folder / name).with_suffix(".json").write_text(json.dumps(content))


@pytest.mark.parametrize("kind", ["coco", pytest.param("labelme", marks=pytest.mark.long)])
def test_the_commands_that_it_ends_with(kind, shapes, tmp_path, monkeypatch, capsys):
    data = shapes
    if kind == "labelme":
        data = tmp_path / "images"
        to_labelme(shapes, data)
    monkeypatch.chdir(tmp_path)
    words = ["--device", "cpu", "--from-scratch", "--val-fraction", "0.25"]
    assert main(["new", "mine", "--data", str(data), *words]) == 0
    out = capsys.readouterr().out
    assert f"format: {kind}" in out
    last = out[out.index("next:") :].splitlines()[1:]
    train, test, predict = (shlex.split(row)[1:] for row in last)

    assert main([*train, "--seed", "0", "--cfg-options", *FEW]) == 0
    checkpoint = tmp_path / "work_dirs" / "mine" / "iter_2.pth"
    assert checkpoint.is_file()

    def with_checkpoint(command: list[str]) -> list[str]:
        return [str(checkpoint) if word.endswith(".pth") else word for word in command]

    assert main([*with_checkpoint(test), "--show-score-thr", "0", "--cfg-options", *FEW]) == 0
    drawn = list((tmp_path / "work_dirs" / "mine" / "images").rglob("*.jpg"))
    assert len(drawn) == (4 if kind == "coco" else 2)
    assert "coco/segm_mAP" in capsys.readouterr().out

    image = next(iter((data / "train" if kind == "coco" else data).glob("*.png")))
    words = with_checkpoint(predict)
    words[words.index("IMAGE")] = str(image)
    assert main([*words, "--score-thr", "0"]) == 0
    assert any((tmp_path / "found").iterdir())
