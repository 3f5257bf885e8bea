"""Predictions in a run's loggers, read back by TensorBoard's own reader."""

import io
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer
from mmengine.visualization.vis_backend import LocalVisBackend, TensorboardVisBackend
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from condinst.engine import LoggedImagesHook

SIZE = (480, 500)  # not enlarged


@pytest.fixture
def runner(tmp_path):
    dataset = SimpleNamespace(metainfo={"classes": ("thing",)})
    visualizer = Visualizer("logged images")
    visualizer._vis_backends = {
        "a": LocalVisBackend(str(tmp_path / "local")),
        "b": TensorboardVisBackend(str(tmp_path / "board")),
    }
    said: list[str] = []
    return SimpleNamespace(
        val_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset)),
        visualizer=visualizer,
        work_dir=str(tmp_path / "work"),
        iter=7,
        logger=SimpleNamespace(warning=said.append),
        said=said,
    )


def sample(path, exists=True) -> DetDataSample:
    if exists:
        cv2.imwrite(str(path), np.full((*SIZE, 3), 128, np.uint8))
    result = DetDataSample(metainfo=dict(img_path=str(path), ori_shape=SIZE))
    mask = torch.zeros(1, *SIZE, dtype=torch.bool)
    mask[:, 100:300, 100:300] = True
    result.pred_instances = InstanceData(
        labels=torch.zeros(1, dtype=torch.long),
        bboxes=torch.tensor([[100.0, 100, 300, 300]]),
        scores=torch.tensor([0.5]),
        masks=mask,
    )
    return result


def test_the_first_images_and_the_report_are_logged(runner, tmp_path):
    hook = LoggedImagesHook(["TensorboardVisBackend"], num_images=2)
    hook.before_train(runner)
    samples = [sample(tmp_path / f"{name}.png") for name in "abc"]
    for step in (7, 14):
        runner.iter = step
        hook.before_val_epoch(runner)
        hook.after_val_iter(runner, 0, outputs=samples[:1])
        hook.after_val_iter(runner, 1, outputs=samples[1:])
    runner.visualizer.close()
    events = EventAccumulator(str(tmp_path / "board"), size_guidance={"images": 0}).Reload()
    assert events.Tags()["images"] == ["predictions/1_a", "predictions/2_b"]
    logged = events.Images("predictions/1_a")
    assert [event.step for event in logged] == [7, 14]
    pixels = np.asarray(Image.open(io.BytesIO(logged[0].encoded_image_string)))
    assert pixels.shape == (*SIZE, 3)
    assert pixels[20, 20].tolist() == [128, 128, 128]
    assert len(set(pixels[200, 200].tolist())) > 1  # the mask's color
    (text,) = events.Tensors("report/text_summary")
    assert text.tensor_proto.string_val == [str(tmp_path / "work/report.html").encode()]
    assert not list((tmp_path / "local").rglob("*.png"))
    assert runner.said == []


def test_a_failure_is_a_warning(runner, tmp_path):
    hook = LoggedImagesHook(["TensorboardVisBackend"])
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, outputs=[sample(tmp_path / "gone.png", exists=False)])
    (text,) = runner.said
    assert text.startswith("LoggedImagesHook: FileNotFoundError: ")

    def broken(*_):
        raise RuntimeError("no connection")

    runner.visualizer._vis_backends["b"].add_image = broken
    hook.after_val_iter(runner, 0, outputs=[sample(tmp_path / "a.png")])
    assert runner.said[1] == "TensorboardVisBackend: RuntimeError: no connection"
