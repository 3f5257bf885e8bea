"""Weights by a model's name: from a folder, the cache or a server, in one process or several."""

import dataclasses
import hashlib
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint
from original_weights import original_file

from condinst import model_zoo
from condinst.checkpoints import to_condinst
from condinst.model_zoo import weights
from condinst.registry import MODELS

MMDET = "condinst_r50_fpn_90k"
ORIGINAL = "condinst_r50_fpn_1x"


def entry(server, name=MMDET, **changes):
    """An entry of the index whose weights are on the server."""
    changes = dict(weights=server.url(), mirrors=(), sha256=None) | changes
    return dataclasses.replace(model_zoo.get(name), **changes)


def test_downloaded_once_into_the_cache(server, tmp_path):
    checksum = hashlib.sha256(server.content).hexdigest()
    model = entry(server, sha256=checksum[:8])
    path = model_zoo.fetch(model)
    assert path == tmp_path / "home/weights" / model.weights_file
    assert path.read_bytes() == server.content
    assert model_zoo.fetch(model) == path
    assert len(server.requests) == 1


def test_a_cached_file_that_was_damaged_later_is_noticed(server):
    model = entry(server, sha256=hashlib.sha256(server.content).hexdigest()[:8])
    path = model_zoo.fetch(model)
    path.write_bytes(server.content[:-1])
    with pytest.raises(ValueError, match=rf"{path}: sha256 begins with .*expected {model.sha256}"):
        model_zoo.fetch(model)


@pytest.mark.parametrize("by_variable", [True, False])
def test_the_local_folder_comes_first_and_needs_no_network(tmp_path, monkeypatch, by_variable):
    model = dataclasses.replace(model_zoo.get(MMDET), sha256=None)
    (tmp_path / "local").mkdir()
    path = tmp_path / "local" / model.weights_file
    path.write_bytes(b"weights")
    if by_variable:
        monkeypatch.setenv("CONDINST_WEIGHTS", str(path.parent))
    folder = None if by_variable else path.parent
    monkeypatch.setattr(weights, "download", None)
    assert model_zoo.fetch(model, folder) == path
    assert not (tmp_path / "home").exists()


def test_a_local_file_is_checked(tmp_path):
    model = model_zoo.get(MMDET)
    path = tmp_path / model.weights_file
    path.write_bytes(b"weights")
    found = hashlib.sha256(b"weights").hexdigest()[:8]
    with pytest.raises(ValueError, match=f"{path}: sha256 begins with {found}, expected 4c186406"):
        model_zoo.fetch(MMDET, tmp_path)


def test_what_the_local_folder_lacks_is_downloaded(server, tmp_path):
    path = model_zoo.fetch(entry(server), tmp_path)
    assert path.parent == tmp_path / "home/weights"


def test_a_local_folder_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("CONDINST_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="CONDINST_WEIGHTS .*nowhere: expected a folder"):
        model_zoo.fetch(MMDET)


def test_the_original_weights_come_from_their_address(server, tmp_path):
    """No checksum of theirs is published: the names and shapes of the tensors are checked."""
    server.content = b"something else"
    model = entry(server, ORIGINAL)
    with pytest.raises(ValueError, match="CondInst_MS_R_50_1x.pth: "):
        model_zoo.fetch(model)
    assert len(server.requests) == 1


def test_a_mirror_stands_behind_the_first(server, capsys):
    checksum = hashlib.sha256(server.content).hexdigest()
    for answers in ([404], [503, 503]):
        server.answers = list(answers)
        server.requests.clear()
        model = entry(server, mirrors=(server.url("mirror.pth"),), sha256=checksum[:8])
        path = model_zoo.fetch(model)
        assert path.read_bytes() == server.content
        paths = [path for path, _ in server.requests]
        assert paths == ["/file.pth"] * len(answers) + ["/mirror.pth"]
        license, *said = capsys.readouterr().err.splitlines()
        assert license == f"{MMDET}: license of these weights: Apache-2.0"
        host = server.url().split("/")[2]
        assert said[0] == f"{host} does not hand out the file, trying a mirror"
        path.unlink()


def test_the_reasons_are_said_once(server, capsys):
    server.answers = [404, 404]
    model = entry(server, mirrors=(server.url("mirror.pth"),))
    with pytest.raises(OSError, match="404.*404") as raised:
        model_zoo.fetch(model)
    assert "404" not in capsys.readouterr().err
    assert "0 bytes are kept" not in str(raised.value)


def test_a_mirror_that_is_reached_after_a_host_that_is_gone(server):
    model = entry(server, weights="http://nobody.invalid/x.pth", mirrors=(server.url(),))
    assert model_zoo.fetch(model).read_bytes() == server.content


def test_a_mirror_has_to_have_the_same_file(server, tmp_path):
    """The first answers with a web page, the mirror with another file."""
    server.answers = [404]
    model = entry(server, mirrors=(server.url("mirror.pth"),), sha256="01234567")
    with pytest.raises(OSError, match=r"404.*mirror.pth\): sha256 begins with .*To go on without"):
        model_zoo.fetch(model)
    assert not list((tmp_path / "home/weights").glob("*.pth"))


def test_a_first_server_with_another_file_is_replaced_too(server):
    """A closed host that answers every address with a page of its own."""
    whole, kind = server.content, server.content_type
    server.content, server.content_type = b"<html>", "text/html"
    send = server._send

    def page_then_file(handler, cut):
        if len(server.requests) > 1:
            server.content, server.content_type = whole, kind
        send(handler, cut)

    server._send = page_then_file
    assert model_zoo.fetch(entry(server, mirrors=(server.url("b.pth"),))).read_bytes() == whole


def test_a_full_disk_is_not_tried_again_elsewhere(server, monkeypatch):
    from condinst.model_zoo import download

    usage = download.shutil.disk_usage("/")._replace(free=5)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="the disk is full"):
        model_zoo.fetch(entry(server, mirrors=(server.url("mirror.pth"),)))
    assert len(server.requests) == 1


def test_a_failed_download_says_what_to_do(server, tmp_path):
    server.answers = [404]
    model = entry(server)
    with pytest.raises(OSError, match=f"{MMDET}: {server.url()}: .* 404 ") as caught:
        model_zoo.fetch(model)
    text = str(caught.value)
    for part in (f"get {model.weights_file} elsewhere", model.repository, "CONDINST_WEIGHTS"):
        assert part in text
    assert str(tmp_path / "home/weights") in text


def test_a_model_without_weights():
    with pytest.raises(ValueError, match=r"condinst_r101_fpn_90k: no weights .*condinst train"):
        model_zoo.fetch("condinst_r101_fpn_90k")


def test_the_place_of_the_cache(tmp_path, monkeypatch):
    assert weights.cache_folder() == tmp_path / "home/weights"
    monkeypatch.delenv("CONDINST_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert weights.cache_folder() == tmp_path / "xdg/condinst/weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "user"))
    assert weights.cache_folder() == tmp_path / "user/.cache/condinst/weights"


def test_a_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONDINST_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"file: cannot be used as the cache .*CONDINST_HOME"):
        weights.cache_folder()


def start_fetch(server, name):
    """Another process that fetches the server's file under a name."""
    code = (
        "import dataclasses; from condinst import model_zoo as zoo; print(zoo.fetch("
        f"dataclasses.replace(zoo.get({MMDET!r}), weights={server.url()!r}, sha256=None, "
        f"weights_file={name!r})))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "nothing happened in a minute"
        time.sleep(0.01)


def test_of_several_processes_one_downloads_and_the_others_wait(server, tmp_path):
    server.cuts, server.hold = [300_000], threading.Event()
    processes = [start_fetch(server, "a.pth") for _ in range(3)]
    wait_for(lambda: server.requests)
    waiting = []
    for process in processes:  # two of them say that they wait, one that it downloads
        waiting.append(process.stderr.readline().startswith("waiting for another process"))
    server.hold.set()
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert Path(out.strip()).read_bytes() == server.content
    assert sorted(waiting) == [False, True, True]
    assert server.ranges_asked() == [None, "bytes=300000-"]


def test_a_process_that_was_killed_leaves_what_the_next_goes_on_with(server, tmp_path):
    server.cuts, server.hold = [300_000], threading.Event()
    process = start_fetch(server, "b.pth")
    part = tmp_path / "home/weights/b.pth.part"
    wait_for(lambda: part.is_file() and part.stat().st_size == 300_000)
    process.kill()
    process.communicate()
    server.hold.set()
    path = model_zoo.fetch(entry(server, weights_file="b.pth"))
    assert path.read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=300000-"]


def build(config):
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope("condinst"):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize("name", ["condinst_r50_fpn_1x", "boxinst_r50_fpn_1x"])
def test_from_a_server_to_the_model_of_the_config(server, tmp_path, name):
    """The original's layout is converted, once, and fits the config's model strictly."""
    tensors = original_file(tmp_path / "original.pth", name)
    server.content = (tmp_path / "original.pth").read_bytes()
    server.cuts = [50_000_000]
    model = entry(server, name)
    path = model_zoo.fetch(model)
    assert server.ranges_asked() == [None, "bytes=50000000-"]
    assert path.parent == tmp_path / "home/weights"

    detector = build(model.config)
    load_checkpoint(detector, str(path), map_location="cpu", strict=True)
    expected = to_condinst(tensors)
    for key, value in detector.state_dict().items():
        if key in expected:  # but for what a BoxInst counts by itself
            assert torch.equal(value, expected[key]), key
    assert len(expected) > 300

    changed = path.stat().st_mtime_ns
    assert model_zoo.fetch(model) == path
    assert path.stat().st_mtime_ns == changed
    assert len(server.requests) == 2
    suffixes = {p.name.rsplit(".", 1)[1] for p in path.parent.iterdir()}
    assert suffixes == {"pth", "lock"}


def test_another_file_under_the_name_is_converted_anew(tmp_path):
    name = "condinst_r50_fpn_1x"
    path = tmp_path / model_zoo.get(name).weights_file
    tensors = original_file(path, name)
    first = model_zoo.fetch(name, tmp_path)
    tensors["controller.bias"] = torch.zeros(169)
    torch.save({"model": tensors}, path)
    second = model_zoo.fetch(name, tmp_path)
    assert first != second
    key = "bbox_head.controller.bias"
    assert torch.load(second)["state_dict"][key].count_nonzero() == 0
    assert torch.load(first)["state_dict"][key].count_nonzero() > 0


def test_weights_of_another_model_are_refused(tmp_path):
    name = "condinst_r50_bifpn_1x"
    path = tmp_path / model_zoo.get(name).weights_file
    original_file(path, "condinst_r50_fpn_1x")
    with pytest.raises(ValueError, match=rf"(?s){re.escape(str(path))}: .*neck") as caught:
        model_zoo.fetch(name, tmp_path)
    assert "missing in the weights" in str(caught.value)
    assert list((tmp_path / "home/weights").glob("*.pth*")) == list(
        (tmp_path / "home/weights").glob("*.lock")
    )
