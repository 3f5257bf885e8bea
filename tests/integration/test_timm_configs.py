"""The configs with timm's backbones train through the command, on real images made small."""

import pytest
import timm
from commands import REPO, TRAIN, log_folders, read_scalars, run
from mmengine.config import Config
from mmengine.registry import DefaultScope

from condinst.registry import MODELS

pytestmark = pytest.mark.long


CONFIGS = {
    name: REPO / "configs/condinst" / f"condinst_{name}_fpn_ms-3x_coco_instance.py"
    for name in ("convnext-tiny", "mobilenetv3-large")
}


@pytest.mark.parametrize("name", CONFIGS)
def test_config_fits_its_backbone(name):
    """The neck's channels, and the colors that timm's weights were trained with."""
    model = Config.fromfile(CONFIGS[name]).model
    assert model.backbone.pretrained
    with DefaultScope.overwrite_default_scope("condinst"):
        detector = MODELS.build(model)  # needs no network: weights are fetched by init_weights
    assert model.neck.in_channels == detector.backbone.out_channels
    weights = timm.get_pretrained_cfg(model.backbone.model_name)
    colors = model.data_preprocessor
    assert colors.mean == pytest.approx([255 * value for value in weights.mean], abs=0.01)
    assert colors.std == pytest.approx([255 * value for value in weights.std], abs=0.01)
    assert colors.bgr_to_rgb


@pytest.mark.parametrize(
    ("name", "rate", "iterations"),
    [("convnext-tiny", 0.0005, 25), ("mobilenetv3-large", 0.005, 60)],
)
def test_trains_with_falling_losses(name, rate, iterations, datasets, tmp_path):
    """From random weights, on 4 images."""
    options = (
        "model.backbone.pretrained=False",
        "train_dataloader.batch_size=2",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        "train_dataloader.dataset.indices=4",
        "train_dataloader.dataset.pipeline.2.scales=[(192,128)]",
        "val_dataloader.num_workers=0",
        "val_dataloader.persistent_workers=False",
        "val_dataloader.dataset.indices=8",
        "val_dataloader.dataset.pipeline.1.scale=(192,128)",
        f"train_cfg.max_iters={iterations}",
        f"optim_wrapper.optimizer.lr={rate}",
        "param_scheduler.0.end=5",
        "default_hooks.logger.interval=1",
        "log_processor.window_size=1",
    )
    run(
        *(TRAIN, CONFIGS[name], "--seed", 0, "--work-dir", tmp_path),
        *("--cfg-options", *options),
        data=datasets / "coco_tiny",
    )
    losses = [record["loss"] for record in read_scalars(log_folders(tmp_path)[0]).values()]
    assert len(losses) == iterations
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
