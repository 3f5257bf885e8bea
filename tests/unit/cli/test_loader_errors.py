"""Loading that fails ends in one line: which loader, which signal or file, and the way out."""

from __future__ import annotations

import os
import signal
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import BaseDataset
from torch.utils.data import DataLoader, get_worker_info

from condinst.cli import errors
from condinst.cli.errors import explain_uninterrupted
from condinst.compat.sample_errors import SampleError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class Fails(BaseDataset):
    """Samples of which the fifth does something bad, in a worker only or everywhere."""

    def __init__(self, how):
        self.how = how
        super().__init__(pipeline=[self.step])

    def load_data_list(self):
        return [dict(img_path=f"/data/{i}.jpg") for i in range(8)]

    def step(self, results):
        if results["sample_idx"] == 4:
            self.how()
        return torch.zeros(1)


class Loop:
    """What a loop of mmengine's has in its frame."""

    def __init__(self, split, dataset, other=None, workers=2):
        self.dataloader = DataLoader(dataset, num_workers=workers)
        self.runner = SimpleNamespace(_train_loop=other, _val_loop=None, _test_loop=None)
        setattr(self.runner, f"_{split}_loop", self)

    def run(self):
        for _ in self.dataloader:
            pass


def failure(split, how, **options):
    try:
        Loop(split, Fails(how), **options).run()
    except Exception as error:
        return explain_uninterrupted(error)
    raise AssertionError("nothing has failed")


def die(number):
    def how():
        assert get_worker_info() is not None
        os.kill(os.getpid(), number)

    return how


@pytest.mark.parametrize(
    ("split", "number", "cause"),
    [
        ("train", signal.SIGKILL, "the memory ran out"),
        ("val", signal.SIGBUS, "the shared memory ran out"),
        ("test", signal.SIGSEGV, "a crash in compiled code"),
    ],
)
def test_a_killed_worker(split, number, cause):
    other = Loop("train", Fails(int)) if split != "train" else None
    message = failure(split, die(number), other=other)
    name = f"{split}_dataloader"
    assert message.startswith(f"{name}: data worker with pid ")
    assert f"SIG{number.name[3:]}" in message
    assert cause in message
    assert f"{name}.num_workers" in message
    assert "\n" not in message


def test_a_worker_that_exits():
    message = failure("val", lambda: os._exit(7))
    assert message.startswith("val_dataloader: data worker with pid ")
    assert "exit code 7" in message


def test_a_worker_that_cannot_hand_over_its_batch_ends(capfd):
    """Without the fix, the loader waits forever: its sample cannot be pickled."""

    class Unsendable:
        def __reduce__(self):
            raise RuntimeError("unable to allocate shared memory(shm): No space left on device")

    loader = DataLoader([Unsendable()], num_workers=1, collate_fn=lambda batch: batch, timeout=60)
    with pytest.raises(RuntimeError) as caught:
        list(loader)
    assert "the shared memory ran out" in explain_uninterrupted(caught.value)
    assert "cannot be sent" in capfd.readouterr().err


def fail():
    raise AttributeError("'NoneType' object\nhas no attribute 'astype'")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named(workers):
    message = failure("train", fail, workers=workers)
    assert message.startswith("/data/4.jpg: AttributeError in ")
    assert message.endswith(": 'NoneType' object has no attribute 'astype'")


def named():
    raise FileNotFoundError("image file not found: /data/4.jpg")


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_that_names_the_image_stays(workers):
    assert failure("train", named, workers=workers) == "image file not found: /data/4.jpg"
    with pytest.raises(FileNotFoundError):
        Fails(named)[4]
    with pytest.raises(SampleError, match="in method: 'NoneType'"):
        Fails(fail)[4]


def test_a_loop_over_a_dataset_ends():
    """As mmdet's browse_dataset.py loops, without a length."""
    dataset = Fails(lambda: None)
    assert sum(1 for _ in dataset) == len(dataset)


def test_other_errors_are_left_alone():
    assert explain_uninterrupted(RuntimeError("DataLoader works")) is None
    assert (
        explain_uninterrupted(KeyError("DataLoader worker (pid 1) is killed by signal: Killed."))
        is None
    )


def test_a_worker_that_dies_while_the_message_is_made(monkeypatch):
    """The loader is still found where the first error came from."""
    calls = []

    def interrupted(error, frames):
        calls.append((str(error), [frame.f_code.co_name for frame in frames]))
        if len(calls) == 1:
            raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed. ")
        return "told"

    monkeypatch.setattr(errors, "explain_loader_error", interrupted)
    assert failure("test", fail, workers=0) == "told"
    assert calls[1][0].startswith("DataLoader worker")
    assert "run" in calls[1][1]


def test_an_error_without_a_message_names_its_line():
    def how():
        raise AssertionError  # as of a bare assert

    with pytest.raises(
        SampleError, match=r"AssertionError.*: test_loader_errors.py, line \d+: raise Asser"
    ):
        Fails(how)[4]
