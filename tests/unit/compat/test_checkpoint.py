"""Checkpoints of mmengine and mmdet load, foreign code does not run, and files are whole."""

import errno
import os
import pickle
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import OneCycleLR
from mmengine.runner import CheckpointLoader, save_checkpoint
from torch import nn

from condinst.compat.checkpoint import TRUST


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def load(path: Path | str) -> dict:
    return CheckpointLoader.load_checkpoint(str(path), map_location="cpu", logger="silent")


@pytest.fixture
def saved(tmp_path) -> Path:
    """What a training run saves: weights, optimizer, message hub, numpy scalars in the meta."""
    hub = MessageHub.get_instance("test_checkpoint")
    hub.update_scalar("train/loss", 1.5)
    hub.update_scalar("train/loss", np.float32(2.5))
    hub.update_info("best_score", np.float64(0.25))
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    meta = {"epoch": 1, "classes": ("a", "b"), "palette": np.arange(6).reshape(2, 3), "seed": None}
    checkpoint = {
        "state_dict": OrderedDict(w=torch.arange(3.0), half=torch.ones(2, dtype=torch.float16)),
        "optimizer": optimizer.state_dict(),
        "message_hub": hub.state_dict(),
        "meta": meta,
    }
    save_checkpoint(checkpoint, str(tmp_path / "saved.pth"))
    return tmp_path / "saved.pth"


def test_a_checkpoint_of_mmengine_comes_back(saved):
    checkpoint = load(saved)
    assert checkpoint["state_dict"]["w"].tolist() == [0.0, 1.0, 2.0]
    assert checkpoint["optimizer"]["state"][0]["momentum_buffer"].tolist() == [[1.0, 1.0]]
    buffer = checkpoint["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(buffer, HistoryBuffer)
    assert buffer.mean() == 2.0
    assert buffer.statistics("max") == 2.5
    assert checkpoint["message_hub"]["runtime_info"]["best_score"] == 0.25
    assert checkpoint["meta"]["palette"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_it_comes_back_in_a_process_that_has_logged_nothing(saved, monkeypatch):
    monkeypatch.setattr(HistoryBuffer, "_statistics_methods", {})
    checkpoint = load(saved)
    assert checkpoint["message_hub"]["log_scalars"]["train/loss"].statistics("min") == 1.5


@pytest.mark.parametrize("anneal", ["cos", "linear"])
def test_the_state_of_a_one_cycle_schedule_comes_back(tmp_path, anneal):
    """It holds one of the scheduler's functions."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    schedule = OneCycleLR(optimizer, eta_max=1.0, total_steps=10, anneal_strategy=anneal)
    path = tmp_path / "iter_1.pth"
    torch.save({"state_dict": {}, "param_schedulers": [schedule.state_dict()]}, path)
    state = load(path)["param_schedulers"][0]
    assert state["anneal_func"](1.0, 3.0, 0.5) == pytest.approx(2.0)


@pytest.mark.parametrize("names", ["numpy.core", "numpy._core"])
def test_numpy_1_and_numpy_2_files_both_load(saved, names):
    """The same bytes under either package name, as the two numpy generations write them."""
    other = {"numpy.core": b"cnumpy._core.", "numpy._core": b"cnumpy.core."}[names]
    data = pickle.dumps({"a": np.arange(3.0), "b": np.int64(7)}, protocol=2)
    data = data.replace(other, f"c{names}.".encode())
    assert f"c{names}.multiarray".encode() in data
    path = saved.with_name("numpy.pth")
    # torch's format before 1.6: magic number, protocol version, system info, object, storages.
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True, "protocol_version": 1001}]
    head = b"".join(pickle.dumps(part, protocol=2) for part in parts)
    path.write_bytes(head + data + pickle.dumps([], protocol=2))
    checkpoint = load(path)
    assert checkpoint["a"].tolist() == [0.0, 1.0, 2.0]
    assert checkpoint["b"] == 7


def test_a_file_in_the_format_before_torch_1_6_loads(tmp_path):
    path = tmp_path / "old.pth"
    torch.save({"w": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    assert load(path)["w"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("new_format", [True, False])
def test_foreign_code_is_refused_by_name_and_does_not_run(tmp_path, new_format):
    path, mark = tmp_path / "bomb.pth", tmp_path / "mark"
    checkpoint = {"state_dict": {"w": torch.ones(1)}, "meta": Bomb(mark)}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(ValueError, match=r"bomb\.pth: refused.*mkdir.*CONDINST_TRUST_CHECKPOINT="):
        load(path)
    assert not mark.exists()


class Getattr:
    def __init__(self, *args: object) -> None:
        self.args = args

    def __reduce__(self):
        return getattr, self.args


@pytest.mark.parametrize("args", [(HistoryBuffer, "__init__"), (np.ndarray, "min"), ({}, "update")])
def test_getattr_reaches_only_what_checkpoints_need(tmp_path, args):
    torch.save({"a": Getattr(*args)}, tmp_path / "getattr.pth")
    with pytest.raises(ValueError, match=r"getattr\.pth: refused.*getattr"):
        load(tmp_path / "getattr.pth")


def test_the_switch_trusts_exactly_one_file(tmp_path, monkeypatch):
    first, second = tmp_path / "first.pth", tmp_path / "second.pth"
    torch.save({"meta": Bomb(tmp_path / "mark1")}, first)
    torch.save({"meta": Bomb(tmp_path / "mark2")}, second)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(TRUST, "first.pth")
    load(first)
    assert (tmp_path / "mark1").is_dir()
    with pytest.raises(ValueError, match="refused"):
        load(second)
    assert not (tmp_path / "mark2").exists()


def test_files_that_are_no_checkpoints_are_refused_by_name(tmp_path, saved):
    whole = saved.read_bytes()
    contents = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "html": b"<html>Not found</html>",
        "lfs": b"version https://git-lfs.github.com/spec/v1\n",
        "image": b"\x89PNG\r\n\x1a\n" + bytes(64),
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}\.pth: cannot be read as a checkpoint \("):
            load(path)
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth: not a checkpoint; .* found a list"):
        load(tmp_path / "list.pth")
    with pytest.raises(FileNotFoundError, match=r"missing\.pth: no such checkpoint file"):
        load(tmp_path / "missing.pth")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder that torch.hub downloads from, as https://example.org/."""
    folder = tmp_path / "server"
    folder.mkdir()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def download(url: str, target: str, digest: str | None, progress: bool) -> None:
        source = folder / url.removeprefix("https://example.org/")
        if not source.exists():
            raise OSError("no route to host")
        Path(target).write_bytes(source.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    return folder


def test_a_url_is_loaded_with_weights_only(served, tmp_path, monkeypatch):
    torch.save({"w": torch.ones(2)}, served / "good.pth")
    torch.save({"w": Bomb(tmp_path / "mark")}, served / "bomb.pth")
    (served / "half.pth").write_bytes((served / "good.pth").read_bytes()[:200])
    assert load("https://example.org/good.pth")["w"].tolist() == [1.0, 1.0]
    url = "https://example.org/bomb.pth"
    with pytest.raises(ValueError, match=rf"^{url}: refused.*{TRUST}={url}$"):
        load(url)
    assert not (tmp_path / "mark").exists()
    cached = tmp_path / "hub" / "checkpoints" / "half.pth"
    with pytest.raises(ValueError, match=f"half.pth: cannot be read.*; delete {cached}"):
        load("https://example.org/half.pth")
    with pytest.raises(
        OSError, match=r"missing\.pth: cannot be downloaded \(no route.*put the file"
    ):
        load("https://example.org/missing.pth")
    monkeypatch.setenv(TRUST, url)
    load(url)
    assert (tmp_path / "mark").is_dir()


def test_a_pretrained_backbone_goes_the_same_way(served, monkeypatch):
    from mmdet.models import ResNet
    from mmengine.runner import checkpoint

    weights = ResNet(depth=18).state_dict()
    weights["conv1.weight"].fill_(0.5)
    torch.save(weights, served / "resnet18.pth")
    monkeypatch.setattr(
        checkpoint,
        "get_torchvision_models",
        lambda: {"resnet18": "https://example.org/resnet18.pth"},
    )
    model = ResNet(
        depth=18, init_cfg={"type": "Pretrained", "checkpoint": "torchvision://resnet18"}
    )
    model.init_weights()
    assert model.conv1.weight.eq(0.5).all()


@pytest.mark.skipif(
    not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"), reason="needs torch 2.6"
)
def test_plain_torch_load_reads_mmengine_s_files_too(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "message_hub" in torch.load(saved, weights_only=True)


@pytest.mark.parametrize("source", ["file", "stream"])
def test_mmengine_s_other_sources_are_read_the_same_way(tmp_path, saved, monkeypatch, source):
    """Its own folder, and stores in a cloud, of which it gets the bytes."""
    from mmengine.runner import checkpoint

    torch.save({"w": Bomb(tmp_path / "mark")}, tmp_path / "bomb.pth")
    if source == "file":
        monkeypatch.setenv("MMENGINE_HOME", str(tmp_path))
        models = {"saved": "saved.pth", "bomb": "bomb.pth"}
        monkeypatch.setattr(checkpoint, "get_external_models", lambda: models)
        start = "openmmlab://"
    else:
        get = {"s3://saved": "saved.pth", "s3://bomb": "bomb.pth"}
        backend = type("Backend", (), {"get": lambda self, k: (tmp_path / get[k]).read_bytes()})
        monkeypatch.setattr(checkpoint, "get_file_backend", lambda *args, **kwargs: backend())
        start = "s3://"
    assert load(f"{start}saved")["state_dict"]["w"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="refused, because loading it would use .*mkdir"):
        load(f"{start}bomb")
    assert not (tmp_path / "mark").exists()


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "last.pth"
    save_checkpoint({"state_dict": {"w": torch.zeros(1)}}, str(path))

    def full_disk(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(
        OSError, match=r"cannot be written \(No space left.*untouched: '.*last.pth'"
    ):
        save_checkpoint({"state_dict": {"w": torch.ones(1)}}, str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["last.pth"]
    assert load(path)["state_dict"]["w"].item() == 0


def test_a_kill_while_saving_leaves_the_old_file(tmp_path, monkeypatch):
    class Killed(BaseException):
        """Like a signal: no handler of errors sees it."""

    def kill(descriptor: int) -> None:
        raise Killed

    path = tmp_path / "last.pth"
    LocalBackend().put(b"old", path)
    monkeypatch.setattr(os, "fsync", kill)
    with pytest.raises(Killed):
        LocalBackend().put(b"new and longer", path)
    assert path.read_bytes() == b"old"


def test_a_save_makes_its_folder_and_follows_a_link(tmp_path):
    real = tmp_path / "new" / "folder" / "real.pth"
    LocalBackend().put(b"first", real)
    link = tmp_path / "link.pth"
    link.symlink_to(real)
    LocalBackend().put(b"second", link)
    assert link.is_symlink()
    assert real.read_bytes() == b"second"


def test_a_link_in_the_place_of_the_temporary_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a.pth.tmp").symlink_to(outside)
    LocalBackend().put(b"new", folder / "a.pth")
    assert outside.read_bytes() == b"precious"
    assert [path.name for path in folder.iterdir()] == ["a.pth"]
    assert (folder / "a.pth").read_bytes() == b"new"


def test_a_longer_file_of_a_killed_run_leaves_no_rest(tmp_path):
    (tmp_path / "a.pth.tmp").write_bytes(b"much longer than the new one")
    LocalBackend().put(b"new", tmp_path / "a.pth")
    assert (tmp_path / "a.pth").read_bytes() == b"new"
