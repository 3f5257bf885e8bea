"""Checkpoints of the Hugging Face Hub where a checkpoint is asked for, in one process."""

import io
import os

import numpy as np
import pytest
import torch
from hub_server import HubServer, use_hub
from mmengine.runner import CheckpointLoader

from condinst import Predictor, model_zoo
from condinst.cli import convert, early, train
from condinst.cli.predict_sources import split

ADDRESS = "hf://someone/models/shapes.pth"


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A hub with the model of colored shapes that comes with the package."""
    with HubServer() as server:
        use_hub(server, monkeypatch, tmp_path / "hub")
        content = model_zoo.get("shapes").packaged.read_bytes()
        server.files["someone/models", "main", "shapes.pth"] = content
        yield server


def test_a_predictor_reads_it_and_its_config(server):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    expected = Predictor("shapes", device="cpu")(image)
    found = Predictor(ADDRESS, device="cpu")(image)
    assert np.array_equal(found.scores, expected.scores)
    assert np.array_equal(found.boxes, expected.boxes)
    assert server.downloads() == 1


def test_mmengine_reads_it_too(server):
    """For init_cfg, and for mmdet's own tools."""
    content = CheckpointLoader.load_checkpoint(ADDRESS, "cpu")
    expected = torch.load(model_zoo.get("shapes").packaged, weights_only=True)
    assert content["state_dict"].keys() == expected["state_dict"].keys()


def test_a_training_starts_from_it(server, tmp_path):
    words = ["quickstart_condinst_r18_fpn_shapes", "--work-dir", str(tmp_path)]
    args = train.parse_args([*words, "--cfg-options", f"load_from={ADDRESS}"])
    cfg = train.build_config(args)
    assert cfg.load_from == ADDRESS
    assert server.downloads() == 1


def test_convert_reads_it(server, tmp_path):
    args = convert.parse_args([ADDRESS, "--out", str(tmp_path / "o.pth"), "--to", "original"])
    assert convert.convert(args).num_tensors > 100


def test_the_command_line_takes_it_for_a_checkpoint():
    assert split([ADDRESS, "a.png"]) == (ADDRESS, None, ["a.png"])
    address = "hf://someone/models@v1/weights"  # no ending says what it is
    assert split(["config.py", address, "a.png"]) == ("config.py", address, ["a.png"])
    early.check_model_words(ADDRESS, None)
    early.check_checkpoint(address)
    with pytest.raises(ValueError, match="this is a checkpoint, expected a config"):
        early.check_config(ADDRESS)
    with pytest.raises(ValueError, match="expected hf://OWNER/REPO/FILE"):
        early.check_checkpoint("hf://someone")


class Evil:
    """Makes a folder when it is unpickled by an ordinary reader."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def convert_it(address, folder):
    return convert.convert(convert.parse_args([address, "--out", str(folder / "o.pth")]))


READERS = {
    "predict": lambda address, folder: Predictor(address),
    "mmengine": lambda address, folder: CheckpointLoader.load_checkpoint(address, "cpu"),
    "convert": convert_it,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_runs_code_is_refused(server, tmp_path, reader):
    buffer = io.BytesIO()
    torch.save({"state_dict": {"a": torch.zeros(1)}, "meta": Evil(tmp_path / "ran")}, buffer)
    server.files["someone/models", "main", "shapes.pth"] = buffer.getvalue()
    name = "shapes.pth" if reader == "convert" else f"^{ADDRESS}"  # as the user called it
    with pytest.raises(ValueError, match=rf"{name}: refused, because .*mkdir"):
        READERS[reader](ADDRESS, tmp_path)
    assert not (tmp_path / "ran").exists()
