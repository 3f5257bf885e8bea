"""Change the config of a test: test-time augmentation, and tests on tiles."""

from __future__ import annotations

import argparse
import copy
from typing import TYPE_CHECKING

from condinst.cli.tile_arguments import tile_arguments
from condinst.config.nodes import inner_dataset, type_name

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["augment", "cut"]


def augment(cfg: Config) -> None:
    """Wrap the model, and make the dataset return every image in several views."""
    from mmdet.datasets.transforms import PackDetInputs
    from mmengine.config import ConfigDict

    dataset = inner_dataset(cfg.test_dataloader.dataset)
    if "tta_pipeline" in cfg:
        dataset.pipeline = cfg.tta_pipeline
    else:
        pack = copy.deepcopy(dataset.pipeline[-1])
        pack.meta_keys = (
            *pack.get("meta_keys", PackDetInputs().meta_keys),
            "flip",
            "flip_direction",
        )
        flips = [dict(type="RandomFlip", prob=prob) for prob in (0.0, 1.0)]
        # A mirrored image is padded at the same sides as the image itself. The annotations are
        # loaded last: they are those of the original image.
        pads = [t for t in dataset.pipeline[:-1] if type_name(t) == "Pad"]
        load = [t for t in dataset.pipeline[:-1] if type_name(t) == "LoadAnnotations"]
        rest = [t for t in dataset.pipeline[:-1] if type_name(t) not in ("Pad", "LoadAnnotations")]
        after = [[t] for t in (*pads, *load, pack)]
        views = dict(type="TestTimeAug", transforms=[flips, *after])
        dataset.pipeline = [*rest, views]
    cfg.model.test_cfg.mask_format = "bool"  # views are flipped back
    tta_cfg = dict(nms=cfg.model.test_cfg.nms, max_per_img=cfg.model.test_cfg.max_per_img)
    tta_model = cfg.get("tta_model", dict(type="condinst.CondInstTTA", tta_cfg=tta_cfg))
    cfg.model = ConfigDict(**tta_model, module=cfg.model)


def cut(cfg: Config, args: argparse.Namespace) -> None:
    """Wrap the model, and make the dataset return the tiles of every image."""
    from mmengine.config import ConfigDict

    options = tile_arguments(args)
    match_threshold = options.pop("tile_match_threshold")
    dataset = inner_dataset(cfg.test_dataloader.dataset)
    first, *steps = dataset.pipeline
    load = [step for step in steps if type_name(step).endswith("Annotations")]
    rest = [step for step in steps if step not in load]
    cut = dict(type="condinst.CutTiles", transforms=rest, **options)
    dataset.pipeline = [first, *load, cut]
    mask_format = cfg.model.test_cfg.get("mask_format", "rle")
    cfg.model.test_cfg.mask_format = "crop"
    cfg.model = ConfigDict(
        type="condinst.CondInstTiles",
        tile_match_threshold=match_threshold,
        batch_size=cfg.test_dataloader.batch_size,
        mask_format=mask_format,
        module=cfg.model,
    )
    cfg.test_dataloader.batch_size = 1
