"""Measure how many masks a dataset needs: mask AP over the share of images that have masks.

    python -m benchmarks.mixed_labels data/nuclei --results docs/benchmarks/mixed_labels.json \\
        --work work_dirs/mixed --weights weights/mobilenetv2_100.pth

The folder has annotations/instances_train.json, annotations/instances_val.json, train/ and val/.
Kinds of run: "mixed" (masks in a share of the images, boxes alone in the others), "masks" (only the
share, nothing else; at 100 all masks), "boxes" (mixed at 0), "teacher" (boxes with BoxTeacher) and
"averaged" (what BoxTeacher changes besides its masks: averaged weights, stronger colors). All have
the recipe of nuclei_condinst_mobilenetv2_fpn and the same number of iterations. A run whose result
is in the file is not repeated.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from benchmarks import runs
from benchmarks.mixed_tables import write_report
from condinst.config.data_root import set_data_root
from condinst.config.overrides import override
from condinst.utils.files import write_whole

__all__ = ["Run", "config", "derive", "images_with_masks", "main", "plan"]

KINDS = ("mixed", "masks", "boxes", "averaged", "teacher")
_CONFIG = runs.ROOT / "configs" / "nuclei" / "nuclei_condinst_mobilenetv2_fpn.py"
# what the targets compare
_FIRST = (
    ("mixed", 20),
    ("masks", 20),
    ("boxes", 0),
    ("masks", 100),
    ("averaged", 0),
    ("teacher", 0),
)
_COLOR_STEPS = ("PhotoMetricDistortion",)
# BoxInst compares the colors of cells that are so many input pixels apart, whatever the stride
_COLOR_DISTANCE = 8


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        kind: one of :data:`KINDS`.
        share: percentage of the images that have masks.
        seed: of the choice of these images and of the training.
    """

    kind: str
    share: int
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} {self.share}% seed {self.seed}"

    @property
    def name(self) -> str:
        """The name of files and folders."""
        return f"{self.kind}_{self.share}_seed_{self.seed}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, then write the table and the chart."""
    args = _parse(argv)
    results = runs.Results(args.results)
    missing = [
        run
        for run in plan(args.shares, args.seeds, args.only)
        if not results.find("runs", **_key(args, run))
    ]
    if args.plan:
        print("\n".join(map(str, missing)) or "nothing is missing")
        return
    if not args.report:
        runs.work_through(missing, lambda run: _run(args, run, results), args.minutes)
    for path in write_report(results.find("runs", **_settings(args)), args.results):
        print(f"wrote {path}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the dataset")
    runs.add_arguments(parser)
    parser.add_argument("--shares", nargs="+", type=int, default=[0, 5, 10, 20, 50, 100])
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument(
        "--stride",
        type=int,
        choices=(2, 4),
        default=2,
        help="input pixels per cell of the masks that are learned (default 2, as in the config)",
    )
    args = parser.parse_args(argv)
    wrong = [share for share in args.shares if not 0 <= share <= 100]
    if wrong:
        parser.error(f"--shares {wrong[0]}: expected percentages, 0 to 100")
    if args.iterations < 4:
        parser.error(f"--iterations {args.iterations}: expected 4 or more")
    runs.check_weights(parser, args)
    return args


def plan(shares: Iterable[int], seeds: Sequence[int], only: Iterable[str] = KINDS) -> list[Run]:
    """Return the runs, the most informative first.

    Args:
        shares: percentages of images with masks.
        seeds: seeds of the runs.
        only: kinds that are wanted.

    Returns:
        First what the targets compare, of one seed after another, then the other shares.
    """
    chosen = set(shares)
    kinds = [(kind, share) for kind, share in _FIRST if share in chosen]
    others = sorted(chosen - {0, 20, 100}, reverse=True)
    rest = [(kind, share) for share in others for kind in ("mixed", "masks")]
    wanted = set(only)
    return [
        Run(kind, share, seed)
        for part in (kinds, rest)
        for seed in dict.fromkeys(seeds)
        for kind, share in part
        if kind in wanted
    ]


def images_with_masks(image_ids: Iterable[int], share: int, seed: int) -> set[int]:
    """Choose the images that have masks; those of a smaller share are among those of a larger.

    Args:
        image_ids: all ids, in any order.
        share: percentage, 0 to 100; above 0 at least one image is chosen.
        seed: of the choice.
    """
    ids = sorted(image_ids)
    random.Random(seed).shuffle(ids)
    return set(ids[: max(round(len(ids) * share / 100), int(share > 0))])


def derive(content: dict[str, Any], run: Run) -> dict[str, Any]:
    """Return the annotations of a run: a COCO file's content, which is not changed.

    Objects outside of the chosen images lose their segmentation, and the area of their mask becomes
    that of their box. With the kind "masks", the images that were not chosen are left out.
    """
    chosen = images_with_masks((image["id"] for image in content["images"]), run.share, run.seed)
    images, annotations = content["images"], content["annotations"]
    if run.kind == "masks":
        images = [image for image in images if image["id"] in chosen]
        annotations = [one for one in annotations if one["image_id"] in chosen]
    else:
        annotations = [
            one if one["image_id"] in chosen or one.get("iscrowd") else _box_alone(one)
            for one in annotations
        ]
    return {**content, "images": images, "annotations": annotations}


def _box_alone(annotation: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in annotation.items() if key != "segmentation"}
    _, _, width, height = annotation["bbox"]
    return kept | {"area": width * height}


def config(args: argparse.Namespace, run: Run, annotations: Path) -> Config:
    """Return the config of a run: the recipe for masks, with BoxInst's losses where boxes are."""
    cfg = Config.fromfile(_CONFIG)
    set_data_root(cfg, f"{args.folder.resolve()}/")
    runs.add_weights(cfg, args.weights)
    cfg.train_dataloader.dataset.ann_file = str(annotations.resolve())
    cfg.model.mask_head.mask_out_stride = args.stride
    pipeline = cfg.train_dataloader.dataset.pipeline
    (targets,) = (step for step in pipeline if step.type == "PrepareMaskTargets")
    targets.stride = args.stride
    if run.kind != "masks":
        _learn_from_boxes(cfg, args)
    if run.kind in ("averaged", "teacher"):
        _average(cfg, run.kind == "teacher")
    override(cfg, args.cfg_options, parts=())
    runs.set_length(cfg, args.iterations)
    return cfg


def _learn_from_boxes(cfg: Config, args: argparse.Namespace) -> None:
    dilation = _COLOR_DISTANCE // args.stride
    cfg.model.mask_head.box_supervision = dict(
        # a third of the training, as in nuclei_boxinst_mobilenetv2_fpn
        warmup_iters=max(1, args.iterations // 3),
        pairwise_dilation=dilation,
    )
    dataset = cfg.train_dataloader.dataset
    dataset.allow_box_only = True
    steps = [step for step in dataset.pipeline if step.type != "PrepareMaskTargets"]
    # colors are compared before they are distorted; the lowest rows are as good as the others
    first = next(i for i, step in enumerate(steps) if step.type in (*_COLOR_STEPS, "PackDetInputs"))
    targets = dict(
        type="PrepareMixedTargets",
        stride=args.stride,
        pairwise_dilation=dilation,
        bottom_pixels_removed=0,
    )
    dataset.pipeline = [*steps[:first], targets, *steps[first:]]


def _average(cfg: Config, teaches: bool) -> None:
    """Average the weights and distort colors as nuclei_boxteacher_mobilenetv2_fpn does."""
    steps = cfg.train_dataloader.dataset.pipeline
    colors = [
        dict(type="RandomGrayscale", prob=0.2, keep_channels=True),
        *(step for step in steps if step.type in _COLOR_STEPS),
        dict(type="RandomBlur", prob=0.5, sigma=(0.1, 2.0)),
    ]
    kept = [step for step in steps[:-1] if step.type not in _COLOR_STEPS]
    keep = [dict(type="KeepTeacherImage")] if teaches else []
    cfg.train_dataloader.dataset.pipeline = [*kept, *keep, *colors, steps[-1]]
    hook = dict(ema_type="ExpMomentumEMA", momentum=0.01, gamma=50, update_buffers=True)
    kind = "BoxTeacherHook" if teaches else "EMAHook"
    cfg.custom_hooks = [*cfg.get("custom_hooks", []), dict(type=kind, **hook)]


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what all runs of one curve have in common."""
    return dict(iterations=args.iterations, stride=args.stride, options=runs.option_texts(args))


def _key(args: argparse.Namespace, run: Run) -> dict[str, Any]:
    return asdict(run) | _settings(args)


def _run(args: argparse.Namespace, run: Run, results: runs.Results) -> None:
    source = args.folder / "annotations" / "instances_train.json"
    annotations = args.work / "annotations" / f"{run.name}.json"
    content = derive(json.loads(source.read_text(encoding="utf-8")), run)
    write_whole(annotations, json.dumps(content))
    place, key = args.work / run.name, _key(args, run)
    cfg = config(args, run, annotations)
    trained = runs.train_once(cfg, place, key, "--seed", run.seed, *runs.FAST)
    found = runs.measure(cfg, trained.pop("checkpoint"), place / "test")
    results.add("runs", key | found | trained | runs.environment())
    print(f"{run}: mask AP {found['mask_ap']:.3f}, box AP {found['box_ap']:.3f}", flush=True)
    if args.commit:
        results.commit(f"Benchmark of mixed labels: {run}, mask AP {found['mask_ap']:.3f}")


if __name__ == "__main__":
    main()
