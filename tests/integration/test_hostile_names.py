"""Names from files that would retitle or clear the terminal, or pass for messages of ours."""

import json
import re
import shutil

import pytest
import torch
from commands import SMALL

from condinst.cli.main import main

pytestmark = pytest.mark.long

EVIL = "x\x1b]0;owned\x07\x1b[2J\nerror: all is lost\r\x9b2J\u202e"
ALLOWED = re.compile(r"[\r\n]|\x1b\[K")  # line ends and the line of progress
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(scope="module")
def hostile(shapes, trained, tmp_path_factory):
    """A dataset, a config and checkpoints with such names, and a dataset with faults too."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("data", "broken"):
        for split in ("train", "val"):
            data = folder / name
            (data / split).mkdir(parents=True)
            (data / "annotations").mkdir(exist_ok=True)
            content = json.loads((shapes / f"annotations/instances_{split}.json").read_text())
            for category in content["categories"]:
                category["name"] += EVIL
            for image in content["images"]:
                old, image["file_name"] = image["file_name"], EVIL + image["file_name"]
                shutil.copy(shapes / split / old, data / split / image["file_name"])
            if name == "broken":
                (data / split / content["images"][0]["file_name"]).write_bytes(b"")
                content["annotations"][-1]["bbox"] = [0, 0, 1, 1]
            (data / f"annotations/instances_{split}.json").write_text(json.dumps(content))
            classes = tuple(category["name"] for category in content["categories"])
    for name in ("data", "broken"):
        dataset = (
            f"dict(dataset=dict(data_root='{folder}/{name}/', metainfo=dict(classes=classes)))"
        )
        evaluator = f"dict(ann_file='{folder}/{name}/annotations/instances_train.json'"
        (folder / f"{name}.py").write_text(
            f"_base_ = {str(SMALL)!r}\nclasses = {classes!r}\n"
            f"train_dataloader = val_dataloader = test_dataloader = {dataset}\n"
            f"val_evaluator = {evaluator}, classwise=True)\ntest_evaluator = val_evaluator\n"
            "train_cfg = dict(max_iters=1, val_interval=1)\n"
        )
    checkpoint = torch.load(trained / "iter_80.pth", weights_only=False)
    checkpoint["meta"]["dataset_meta"] = {"classes": list(classes)}
    torch.save(checkpoint, folder / "classes.pth")
    torch.save(checkpoint, folder / f"{EVIL}.pth")
    weights = checkpoint["state_dict"]
    checkpoint["state_dict"] = weights | {EVIL: torch.zeros(2)}
    torch.save(checkpoint, folder / "layers.pth")
    (folder / "named.py").write_text(
        (folder / "data.py").read_text() + f"load_from = '{folder}/layers.pth'\n"
    )
    return folder


COMMANDS = {
    "doctor": "doctor --data {at}/broken/annotations/instances_train.json --images "
    "{at}/broken/train",
    "doctor config": "doctor {at}/broken.py",
    "new": "new x --data {at}/data --out {out}/new --device cpu",
    "new broken": "new x --data {at}/broken --out {out}/new --device cpu",
    "tile": "tile {at}/broken/annotations/instances_train.json --images {at}/broken/train "
    "--out {out} --tile 48",
    "browse": "browse {at}/data.py --out {out} --num-images 2",
    "predict": "predict {at}/classes.pth {at}/broken/train --out {out} --device cpu --score-thr 0",
    "predict skipping": "predict {at}/classes.pth {at}/broken/train --out {out} --device cpu "
    "--skip-broken",
    "predict by name": "predict {at}/EVIL.pth {at}/data/train --out {out} --device cpu",
    "predict nothing": "predict {at}/classes.pth {at}/EVIL --out {out}",
    "info": "info {at}/data.py --no-memory",
    "convert": "convert {at}/layers.pth --out {out}/weights.pth",
    "test": "test {at}/data.py {at}/EVIL.pth --work-dir {out}",
    "test broken": "test {at}/broken.py {at}/classes.pth --work-dir {out}",
    "test layers": "test {at}/data.py {at}/layers.pth --work-dir {out}",
    "train": "train {at}/named.py --work-dir {out}",
    "option": "train {at}/data.py --EVIL",
    "key": "train {at}/data.py --cfg-options model.EVIL=1",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_a_name_reaches_the_terminal_raw(command, hostile, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [
        word.format(at=hostile, out=tmp_path).replace("EVIL", EVIL)
        for word in COMMANDS[command].split()
    ]
    code = main(words)
    said = "".join(capfd.readouterr())
    assert code in (0, 1, 2)
    assert "Traceback" not in said
    assert CONTROLS.findall(ALLOWED.sub("", said)) == []
    assert not re.search(r"^error: all is lost|\rerror: all", said, re.MULTILINE)
    assert "\rerror" not in said
    if code:
        assert len(said.strip()) > 20
