"""``condinst push``: a training becomes a model repository, by the real client."""

import hub_server
import numpy as np
import pytest
import yaml
from commands import Done
from hub_upload import WritableHub
from PIL import Image

from condinst import Predictor
from condinst.cli.main import main
from condinst.report.run import write_info

CLASSES = ("circle", "rectangle", "triangle", "star", "ring")
METRICS = {"coco/segm_mAP": 0.25, "coco/segm_mAP_50": 0.5, "coco/bbox_mAP": 0.75,
           "coco/segm_mAP_l": -1.0, "time": 3.0}  # fmt: skip


@pytest.fixture
def push(capsys):
    """Run the command in this process."""

    def run(*words: object) -> Done:
        code = main(["push", *map(str, words)])
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def work_dir(tmp_path, monkeypatch):
    """What a training leaves, with the weights of the model shapes."""
    import torch
    from mmengine.config import Config

    from condinst.compat.base_configs import shipped_config
    from condinst.model_zoo import get

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    folder.mkdir()
    cfg = Config.fromfile(shipped_config("quickstart_condinst_r18_fpn_shapes"))
    cfg.val_evaluator.ann_file = f"{tmp_path}/secret/val.json"
    cfg.dump(folder / "mine.py")
    content = torch.load(get("shapes").packaged, weights_only=True)
    meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=CLASSES), iter=60)
    state = content["state_dict"]
    torch.save(dict(meta=meta, state_dict=state, optimizer={}), folder / "iter_60.pth")
    (folder / "last_checkpoint").write_text("iter_60.pth")
    write_info(folder, {"validations": {"last": {"iteration": 60, "metrics": METRICS}}})
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    return folder


@pytest.fixture
def server(monkeypatch, tmp_path):
    from huggingface_hub import constants

    with WritableHub() as server:
        hub_server.use_hub(server, monkeypatch, tmp_path / "hub")
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", server.token)
        yield server


def front(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


@pytest.mark.long
def test_a_training_is_pushed_and_predicts_by_its_address(work_dir, server, push):
    words = [work_dir, "someone/shapes", "--license", "CC-BY-4.0", "--private"]
    done = push(*words, "--image", "a.png", "--data", "Generated shapes.")
    assert done.code == 0, done.err
    made = server.created["someone/shapes"]  # by huggingface_hub before and after 2.0
    assert made.get("private") is True or made.get("visibility") == "private"
    names = {key[2] for key in server.files}
    (weights,) = (name for name in names if name.endswith(".safetensors"))
    assert names == {"README.md", "config.py", "example.jpg", weights}
    assert server.messages == [f"condinst push: {weights}"]
    assert done.out.splitlines()[-1] == f"condinst predict hf://someone/shapes/{weights} IMAGE"
    predictor = Predictor(f"hf://someone/shapes/{weights}", score_thr=0.0)
    expected = Predictor(str(work_dir / "mine.py"), work_dir / "iter_60.pth", score_thr=0.0)
    np.testing.assert_array_equal(predictor("a.png").scores, expected("a.png").scores)
    everything = b"".join(server.files.values())
    assert str(work_dir.parent).encode() not in everything
    card = server.files["someone/shapes", "main", "README.md"].decode()
    assert f'Predictor("hf://someone/shapes/{weights}")' in card
    assert "![Detections of this model](example.jpg)" in card
    assert "## Training data\n\nGenerated shapes.\n" in card


def test_the_card_says_what_was_measured_on_these_weights(work_dir, push):
    words = [work_dir, "someone/shapes", "--license", "my own", "--dry-run", "card"]
    assert push(*words).code == 0
    card = (work_dir.parent / "card/README.md").read_text()
    fields = front(card)
    assert (fields["license"], fields["license_name"]) == ("other", "my-own")
    (result,) = fields["model-index"][0]["results"]
    assert {m["type"]: m["value"] for m in result["metrics"]} == {
        "segm_mAP": 0.25,
        "bbox_mAP": 0.75,
    }
    assert result["dataset"]["name"] == "val"
    assert "| mask AP | 0.250 | 0.500 | - | - | - | - |" in card
    assert "`circle`, `rectangle`, `triangle`, `star`, `ring`" in card
    # the numbers of another iteration are not those of these weights
    write_info(work_dir, {"validations": {"last": {"iteration": 61, "metrics": METRICS}}})
    done = push(*words[:-1], "other")
    assert "the card has no accuracy" in done.out
    card = (work_dir.parent / "other/README.md").read_text()
    assert "model-index" not in front(card)
    assert "0.250" not in card


@pytest.fixture
def few_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/mine.py").touch()
    (tmp_path / "a.png").write_bytes(b"no image")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine", "a/b"], "error: --license: expected the license of the weights"),
        (["mine", "b", "--license", "mit"], "error: b: expected OWNER/REPO"),
        (["mine", "datasets/b", "--license", "mit"], "error: datasets/b: expected OWNER/REPO"),
        (["none", "a/b", "--license", "mit"], "error: source none: no such file or folder"),
        ([".", "a/b", "--license", "mit"], "error: .: not the work folder of a training"),
        (["mine", "a/b", "--license", "mit", "--image", "b.png"], "error: --image b.png: no such"),
        (["mine", "a/b", "--license", "mit", "--dry-run", "mine"], "error: --dry-run mine: expec"),
        (["mine", "a/b", "--license", "mit", "--score-thr", "30"], "error: --score-thr 30: expec"),
        (["a.png", "a/b", "--license", "mit"], "error: a.png: cannot be read as a checkpoint"),
    ],
)
def test_mistakes_are_one_line(few_files, words, message, push):
    done = push(*words)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert done.err.startswith(message)


def test_what_the_hub_refuses_is_one_line(work_dir, server, monkeypatch, push):
    words = [work_dir, "someone/shapes", "--license", "mit"]
    server.may_write = False
    done = push(*words)
    assert (done.code, done.err.splitlines()) == (
        1,
        ["error: someone/shapes: cannot be uploaded: the token may not write there: expected a "
         "token with write access to someone"],
    )  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    done = push(*words)
    assert done.err.splitlines()[-1].endswith("set the environment variable HF_TOKEN")
    assert not server.files
