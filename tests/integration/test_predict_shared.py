"""``torchrun ... condinst predict``: a folder shared by two processes, and one that is killed."""

from __future__ import annotations

import os
import signal
import time

import pytest
from commands import SMALL, finish, free_port, run, start

pytestmark = pytest.mark.long


def torchrun(*words: object) -> list[object]:
    launch = ["--nproc-per-node", 2, "--master-port", free_port(), "-m", "condinst", "predict"]
    return ["-m", "condinst.compat.torchrun", *launch, *words]


def test_two_processes_write_what_one_writes(checkpoint, three_images, tmp_path):
    formats = ["coco", "json", "cvat", "labelme"]
    words = [SMALL, checkpoint, three_images, "--device", "cpu", "--format", *formats]
    run("-m", "condinst", "predict", *words, "--out", tmp_path / "one")
    done = run(*torchrun(*words, "--out", tmp_path / "two"))
    assert "in 3 images" in done.out
    assert "by 2 processes" in done.out
    assert done.out.count("model ") == 1
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("[!.]*")}
        for name in ("one", "two")
    )
    assert len(one) == 10
    assert two == one


def test_a_killed_process(checkpoint, three_images, tmp_path):
    out = tmp_path / "out"
    words = [SMALL, checkpoint, *[three_images] * 400, "--device", "cpu", "--format", "coco"]
    process = start(*torchrun(*words, "--out", out))
    for _ in range(600):
        if len(list(out.glob("*.jpg"))) > 4:
            break
        time.sleep(0.1)
    victim = _process_of_rank(process.pid, 1)
    os.kill(victim, signal.SIGKILL)
    done = finish(process, 60)
    assert done.code == 1
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    (line,) = lines
    assert line.startswith(f"error: lost rank 1 (process {victim} on ")
    assert "no file of all images has been written" in line
    assert "Traceback" not in done.err
    assert {path.suffix for path in out.glob("[!.]*")} <= {".jpg", ".partial"}


def _process_of_rank(launcher: int, rank: int) -> int:
    """Return the process that torchrun has started for a rank."""
    with open(f"/proc/{launcher}/task/{launcher}/children") as file:
        children = [int(word) for word in file.read().split()]
    for child in children:
        with open(f"/proc/{child}/environ", "rb") as file:
            if f"RANK={rank}".encode() in file.read().split(b"\0"):
                return child
    raise AssertionError(children)
