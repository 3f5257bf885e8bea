"""Every command on a disk that is full: one line that names the file, and no half files.

The disk is a tmpfs of a few pages where this process may mount one, else what Python writes has a
limit.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from commands import SMALL
from small_disk import damaged, small_disk

from condinst.cli.main import main
from condinst.datasets.shapes.generator import make_shapes

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def places(trained, shapes, tmp_path_factory) -> dict[str, Path]:
    film = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 96))
    for file in sorted((shapes / "train").glob("*.png")) * 4:
        writer.write(cv2.imread(str(file)))
    writer.release()
    return dict(
        checkpoint=trained / "iter_80.pth", run=trained, shapes=shapes, film=film, small=SMALL
    )


_SHORT = "--cfg-options train_cfg.max_iters=4 default_hooks.checkpoint.interval=2 "
_SHORT += "train_cfg.val_interval=4"
_PREDICT = "predict {checkpoint} {shapes}/train --device cpu --out {out} "
COMMANDS = {
    "predict": _PREDICT,
    "predict coco": _PREDICT + "--no-images --format coco",
    "predict labelme": _PREDICT + "--no-images --format labelme",
    "predict png": _PREDICT + "--no-images --format png",
    "predict json": _PREDICT + "--no-images --format json",
    "predict closeups": _PREDICT + "--no-images --closeups",
    "predict video": "predict {checkpoint} {film} --device cpu --out {out}",
    "tile": "tile {shapes}/annotations/instances_train.json --images {shapes}/train --out {out} "
    "--tile 48",
    "browse": "browse {small} --out {out} --num-images 6",
    "convert": "convert {checkpoint} --out {out}/weights.pth",
    "report": "report {run} --out {out}/report.html",
    "doctor html": "doctor {small} --html {out}/data.html",
    "doctor fix": "doctor {small} --fix {out}",
    "new": "new mine --data {shapes} --out {out}/new --device cpu",
    "test": "test {small} {checkpoint} --work-dir {out}",
    "test out": "test {small} {checkpoint} --work-dir {out} --out {out}/found.pkl",
    "test show": "test {small} {checkpoint} --work-dir {out} --show-dir {out}/shown",
    "train": "train {small} --work-dir {out} " + _SHORT,
    "export": "export {checkpoint} --out {out}/model.onnx",
    "export openvino": "export {checkpoint} --format openvino --out {out}/model.xml",
    "export pt2": "export {checkpoint} --format pt2 --out {out}/model.pt2",
}
_SLOW = (
    "export",
    "export openvino",
    "export pt2",
    "test out",
    "test show",
    "doctor html",
    "report",
)


def check(command: str, free: int, places: dict, folder: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("CONDINST_DATA_ROOT", f"{places['shapes']}/")
    words = COMMANDS[command].format(out=folder, **places).split()
    with small_disk(folder, free) as says:
        capsys.readouterr()
        code = main(words)
        said = capsys.readouterr()
        left = damaged(folder)
    assert left == [], said
    if code == 0:  # it had room
        return
    lines = [line for line in (said.err + said.out).splitlines() if says in line]
    assert lines, said
    assert re.search(rf"{re.escape(str(folder))}/[^ ]+", lines[-1])
    assert "OSError:" not in said.err, said.err[:3000]  # of a traceback


@pytest.mark.parametrize(
    "command",
    [pytest.param(c, marks=[pytest.mark.slow] * (c in _SLOW)) for c in COMMANDS],
)
def test_no_room_at_all(command, places, tmp_path, capsys, monkeypatch):
    check(command, 1, places, tmp_path / "disk", capsys, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_room_for_some(command, places, tmp_path, capsys, monkeypatch):
    for free in (5_000, 20_000, 50_000, 150_000, 500_000):
        check(command, free, places, tmp_path / f"disk{free}", capsys, monkeypatch)


def test_a_limit_on_the_size_of_files(places, tmp_path):
    """``ulimit -f 0``, under which Python and mmengine find no folder for temporary files."""
    words = [sys.executable, "-m", "condinst", "new", "mine", "--data", places["shapes"]]
    done = subprocess.run(
        [*words, "--out", tmp_path / "new", "--device", "cpu", "--from-scratch"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert done.returncode == 1
    assert re.fullmatch(r"error: temporary files cannot be written.*ulimit -f.*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("free", [1, 20_000])
def test_the_generated_dataset(free, tmp_path):
    folder = tmp_path / "disk"
    with small_disk(folder, free) as says:
        with pytest.raises(OSError, match=rf"{folder}/.*: cannot be written: {says}"):
            make_shapes(folder / "shapes", num_train=8, num_val=4, size=96)
        assert damaged(folder) == []
