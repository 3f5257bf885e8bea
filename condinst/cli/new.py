"""Write a config for your own dataset, with a reason for each setting.

COCO json, YOLO, labelme, VIA, CVAT, Label Studio, Pascal VOC, masks as images, Kaggle's csv,
GeoJSON, Cityscapes and others are recognized and converted to COCO json; docs/your_data.md lists
them. Data without a split are split. Images stay where they are.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from condinst.cli.early import check_exists
from condinst.cli.output_places import is_same
from condinst.cli.values import check_range
from condinst.utils.files import check_writable
from condinst.utils.names import printable

if TYPE_CHECKING:
    from condinst.new import Created

_FORMATS = (
    *("coco", "yolo", "labelme", "via", "masks", "pascal", "cityscapes", "cvat", "xml", "rle-csv"),
    *("geojson", "label-studio", "panoptic", "sam", "supervisely", "datumaro"),
)
_EXAMINED = 50_000  # annotations at most, which takes seconds
_EXAMPLES = """examples:
  %(prog)s mine --data dataset/
  %(prog)s mine --data project/annotations.json --model r50 --device cuda --memory 24
  %(prog)s mine --data yolo/data.yaml --val-fraction 0.1 --from-scratch
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EXAMPLES
    parser.add_argument("name", help="name of the config and its folder: NAME/NAME.py")
    parser.add_argument(
        "--data", required=True, metavar="PATH", help="folder of the dataset, or annotation file"
    )
    parser.add_argument(
        "--model",
        help="rtmdet-ins_tiny, rtmdet-ins_s, rtmdet-ins_m, r18, r50, r101, mobilenetv3, "
        "convnext-tiny, boxinst-r18, boxinst, boxinst-r101, or a CondInst or BoxInst of condinst "
        "list (default: RTMDet-Ins, tiny without a GPU, s or m with one, where its weights can be "
        "had, else r18; boxinst or boxinst-r18 for data without masks)",
    )
    parser.add_argument("--out", metavar="DIR", help="output folder (default NAME)")
    parser.add_argument(
        "--val-fraction",
        type=float,
        default=0.2,
        metavar="X",
        help="fraction of the images for validation, if the data have no split (default 0.2)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of that split (default 0)")
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        metavar="FORMAT",
        help=f"format of the annotations: {', '.join(_FORMATS)} (default: recognized)",
    )
    parser.add_argument(
        "--masks",
        choices=("instances", "classes", "binary", "class1000", "class256"),
        help="meaning of the values of masks: a number for each instance; a class, whose connected "
        "pieces are the instances; background or not, likewise; class * 1000 (or 256) + number of "
        "the instance. Default: found out from the files; if they do not tell, an error asks",
    )
    parser.add_argument(
        "--mask-folder",
        metavar="NAME",
        help="name of the folders of masks, where it is none of the usual ones; * stands for any "
        "letters",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="device for training (default: a GPU if there is one)",
    )
    parser.add_argument(
        "--memory", type=float, metavar="GIB", help="memory of the device (default: detected)"
    )
    parser.add_argument(
        "--from-scratch", action="store_true", help="start without weights; nothing is downloaded"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace an existing config and annotations"
    )


def run(args: argparse.Namespace) -> int:
    """Run ``condinst new``."""
    _check(args)
    print(f"data  {printable(args.data)}", flush=True)  # importing PyTorch takes seconds

    from condinst.new import create

    created = create(
        args.name,
        args.data,
        model=args.model,
        out=args.out,
        val_fraction=args.val_fraction,
        seed=args.seed,
        fmt=args.format,
        masks=args.masks,
        mask_folder=args.mask_folder,
        device=args.device,
        memory=args.memory,
        from_scratch=args.from_scratch,
        force=args.force,
    )
    print(_report(created))
    for line in _issues(created.config):
        print(line)
    for warning in created.warnings:  # last: the config and the notes are long
        print(f"warning: {printable(warning)}", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    from condinst.new.models import check_model, check_name

    check_name(args.name)
    check_exists("--data", args.data)
    for option, value in (("--masks", args.masks), ("--mask-folder", args.mask_folder)):
        if value is not None and args.format not in (None, "masks"):
            raise ValueError(f"{option}: is for masks, not for --format {args.format}")
    if args.model is not None:
        check_model(args.model)
    check_range("--val-fraction", args.val_fraction)
    if args.val_fraction in (0, 1):
        raise ValueError(
            f"--val-fraction {args.val_fraction:g}: expected a number between 0 and 1; training "
            "and validation need images"
        )
    check_range("--memory", args.memory, 1, 4096)
    out = Path(args.out or args.name)
    check_writable("--out", out)
    if Path(args.data).is_file() and is_same(Path(args.data).parent, out / "annotations"):
        raise ValueError(
            f"--data {args.data}: lies in {out / 'annotations'}, into which the new annotations "
            "are written; choose another folder with --out"
        )


def _issues(config: Path) -> list[str]:
    """Return what the doctor finds in the annotation files of a config, as lines.

    The images are left to the doctor, which decodes them.
    """
    from condinst.cli.common import read_config
    from condinst.data_report import examine_file
    from condinst.data_report.config_sources import read_config_sources
    from condinst.utils.words import counted

    doctor = f"condinst doctor {shlex.quote(printable(_relative(config)))}"
    sources = read_config_sources(read_config(str(config), parts=())).sources
    if sum(source.num_annotations for source in sources) > _EXAMINED:
        return [f"  {doctor}  # this many annotations take it minutes"]
    lines = []
    for source in sources:
        for issue in examine_file(source).issues.values():
            if issue.kind.status != "ok":
                places = counted(len(issue.items), "place")
                lines.append(f"  {issue.kind.status}  {source.name}: {issue.kind.title}, {places}")
    if lines:
        return ["", "issues:", *map(printable, lines), f"  {doctor} lists and explains each"]
    return []


def _report(created: Created) -> str:
    width = max(len(name) for name, _ in created.facts)
    facts = "\n".join(f"  {name:{width}}  {printable(value)}" for name, value in created.facts)
    notes = "\n".join(f"  - {printable(note)}" for note in created.notes)
    text = "\n".join(map(printable, created.text.split("\n")))
    config = _relative(created.config)
    work_dir = Path("work_dirs") / created.config.stem
    last = f"iter_{created.max_iters}.pth"
    word = shlex.quote(printable(config))
    return f"""the data:
{facts}
notes:
{notes}

wrote {printable(config)}:

{text}
next:
  condinst train {word}
  condinst test {word} {work_dir / last} --show-dir {work_dir}/images
  condinst predict {word} {work_dir / last} IMAGE --out found"""


def _relative(path: Path) -> Path:
    """Return a path relative to the current folder if it is inside, else unchanged."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
