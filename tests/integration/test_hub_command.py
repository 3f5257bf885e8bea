"""Commands whose checkpoint is on the Hugging Face Hub, in processes that read HF_ENDPOINT."""

import os

import pytest
from commands import run
from hub_server import HubServer
from PIL import Image

from condinst import model_zoo

pytestmark = pytest.mark.long

ADDRESS = "hf://someone/models@v1/shapes.pth"


@pytest.fixture
def environment(tmp_path):
    with HubServer() as server:
        content = model_zoo.get("shapes").packaged.read_bytes()
        server.files["someone/models", "v1", "shapes.pth"] = content
        server.private.add("someone/models")
        cache = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hub")}
        yield cache | {"HF_TOKEN": server.token}


def test_predict_and_export(environment, tmp_path):
    Image.new("RGB", (64, 64), "white").save(tmp_path / "a.png")
    words = ["-m", "condinst", "predict", ADDRESS, tmp_path / "a.png", "--out", tmp_path / "out"]
    run(*words, environment=environment)
    assert list((tmp_path / "out").glob("a.*"))
    # what the cache has needs neither a token nor a network
    offline = environment | {"HF_TOKEN": "", "HF_HUB_OFFLINE": "1"}
    words = ["-m", "condinst", "export", ADDRESS, "--out", tmp_path / "m.onnx"]
    run(*words, environment=offline)
    assert (tmp_path / "m.onnx").is_file()


def test_mistakes_are_one_line(environment, tmp_path):
    Image.new("RGB", (64, 64), "white").save(tmp_path / "a.png")
    words = ["-m", "condinst", "predict", ADDRESS, tmp_path / "a.png", "--out", tmp_path / "out"]
    done = run(*words, environment=environment | {"HF_TOKEN": "hf_wrong"}, code=1)
    assert "there is no repository someone/models, or it is private" in done.err.splitlines()[-1]
    # as if there were no such package
    (tmp_path / "none/huggingface_hub").mkdir(parents=True)
    (tmp_path / "none/huggingface_hub/__init__.py").write_text(
        "raise ModuleNotFoundError('none', name='huggingface_hub')"
    )
    path = os.pathsep.join([str(tmp_path / "none"), os.environ.get("PYTHONPATH", "")])
    done = run(*words, environment=environment | {"PYTHONPATH": path}, code=1)
    assert "pip install 'condinst[hub]'" in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
