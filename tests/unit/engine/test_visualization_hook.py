"""Images drawn while testing: where they go, and what is beside what."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from condinst.engine import VisualizationHook

SIZE = (40, 60)


@pytest.fixture
def runner(tmp_path):
    """What the hook reads of a Runner: the dataset's folder and classes."""
    dataset = SimpleNamespace(
        metainfo={"classes": ("thing",)}, data_prefix={"img": str(tmp_path / "images")}
    )
    return SimpleNamespace(test_loop=SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset)))


def sample(path, truth_size=None) -> DetDataSample:
    """A gray image on the disk, one instance found; with ground truth if it has a size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*SIZE, 3), 128, np.uint8))
    result = DetDataSample(metainfo=dict(img_path=str(path), ori_shape=SIZE))
    mask = torch.zeros(1, *SIZE, dtype=torch.bool)
    mask[:, 10:30, 10:30] = True
    result.pred_instances = InstanceData(
        labels=torch.zeros(1, dtype=torch.long),
        bboxes=torch.tensor([[10.0, 10, 30, 30]]),
        scores=torch.tensor([0.5]),
        masks=mask,
    )
    if truth_size is not None:
        result.gt_instances = InstanceData(
            labels=torch.zeros(1, dtype=torch.long),
            masks=BitmapMasks(np.ones((1, *truth_size), np.uint8), *truth_size),
        )
    return result


def written(out_dir) -> dict[str, tuple[int, ...]]:
    files = (path for path in out_dir.rglob("*") if path.is_file())
    return {path.relative_to(out_dir).as_posix(): cv2.imread(str(path)).shape for path in files}


def test_files_of_one_name_in_two_folders_are_both_drawn(tmp_path, runner):
    hook = VisualizationHook(out_dir=str(tmp_path / "out"))
    hook.before_test(runner)
    samples = [sample(tmp_path / "images" / folder / "1.png") for folder in ("a", "b")]
    hook.after_test_iter(runner, 0, outputs=[*samples, sample(tmp_path / "elsewhere" / "2.png")])
    assert set(written(tmp_path / "out")) == {"a/1.jpg", "b/1.jpg", "2.jpg"}


def test_ground_truth_is_beside_where_it_has_the_images_size(tmp_path, runner):
    hook = VisualizationHook(out_dir=str(tmp_path / "out"))
    hook.before_test(runner)
    samples = [
        sample(tmp_path / "images" / "without.png"),
        sample(tmp_path / "images" / "resized.png", truth_size=(80, 120)),
        sample(tmp_path / "images" / "beside.png", truth_size=SIZE),
    ]
    hook.after_test_iter(runner, 0, outputs=samples)
    shapes = written(tmp_path / "out")
    assert shapes["without.jpg"] == shapes["resized.jpg"] == (*SIZE, 3)
    assert shapes["beside.jpg"][1] > 2 * SIZE[1]


def test_the_limit_and_the_threshold(tmp_path, runner):
    """Nothing scores 0.9, so that the only image written is the gray one."""
    hook = VisualizationHook(out_dir=str(tmp_path / "out"), score_thr=0.9, max_images=1)
    hook.before_test(runner)
    for index in range(2):
        hook.after_test_iter(runner, index, outputs=[sample(tmp_path / "images" / f"{index}.png")])
    assert set(written(tmp_path / "out")) == {"0.jpg"}
    drawn = cv2.imread(str(tmp_path / "out" / "0.jpg")).astype(int)
    assert np.abs(drawn - 128).max() <= 2


def test_closeups_show_the_truths_edge_in_white(tmp_path, runner):
    hook = VisualizationHook(out_dir=str(tmp_path / "out"), closeups=2)
    hook.before_test(runner)
    truth = sample(tmp_path / "images" / "1.png", truth_size=SIZE)
    truth.gt_instances.masks.masks[:, :, 20:] = 0
    hook.after_test_iter(runner, 0, outputs=[truth])
    shown = cv2.imread(str(tmp_path / "out" / "1_edges.png"))
    assert shown.shape == (SIZE[0] * 8, 48 * 8, 3)  # one mask; the image is 40 pixels high
    # the highest pixel of the predicted square is at (10, 10): the part starts at the left side
    assert (shown[10:70, 20 * 8] == 255).all()
    assert not (shown[10 * 8, 90:150] == shown[10:11, 90:150]).all()


def test_names_that_meet_and_names_that_leave_the_folder(tmp_path, runner):
    hook = VisualizationHook(out_dir=str(tmp_path / "deep" / "out"), closeups=1)
    hook.before_test(runner)
    images = tmp_path / "images"
    paths = [
        images / "a.png",
        images / "a.jpg",
        images / ".." / "up.png",
        images / "x" / "../../a.png",
    ]
    samples = [sample(images / "x" / "real.png"), *map(sample, paths)]
    hook.after_test_iter(runner, 0, outputs=samples)
    names = ["x/real", "a", "a-2", "up", "x/a"]
    expected = {f"{name}{ending}" for name in names for ending in (".jpg", "_edges.png")}
    assert set(written(tmp_path / "deep")) == {f"out/{name}" for name in expected}


def test_processes_agree_on_the_names(tmp_path, runner, monkeypatch):
    images = tmp_path / "images"
    samples = [sample(images / name) for name in ("a.png", "a.jpg", "b.png")]
    dataset = runner.test_loop.dataloader.dataset
    paths = [item.img_path for item in samples]
    dataset = type("Data", (), {**vars(dataset), "__len__": lambda self: len(paths)})()
    dataset.get_data_info = lambda i: {"img_path": paths[i]}
    runner.test_loop.dataloader.dataset = dataset
    monkeypatch.setattr("condinst.engine.visualization_hook.get_world_size", lambda: 2)
    for rank in (0, 1):
        hook = VisualizationHook(out_dir=str(tmp_path / "out"))
        hook.before_test(runner)
        hook.after_test_iter(runner, 0, outputs=samples[rank::2])
    assert set(written(tmp_path / "out")) == {"a.jpg", "a-2.jpg", "b.jpg"}
