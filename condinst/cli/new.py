"""Write a config for a dataset of your own: sizes, batch, schedule, and why.

Recognizes COCO json, YOLO, labelme, VIA, Pascal VOC, PNG masks and Cityscapes. What is not COCO's
is converted; what has no split is split. Images stay where they are.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condinst.new import Created

_EXAMPLES = """examples:
  %(prog)s mine --data images/
  %(prog)s mine --data project/annotations.json --model r50 --device cuda --memory 24
  %(prog)s mine --data yolo/data.yaml --val-fraction 0.1 --from-scratch
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.epilog = _EXAMPLES
    parser.add_argument("name", help="of the config and its folder: NAME/NAME.py")
    parser.add_argument(
        "--data", required=True, metavar="PATH", help="folder of the dataset, or annotation file"
    )
    parser.add_argument(
        "--model",
        help="r18, r50, r101, mobilenetv3, convnext-tiny, boxinst-r18, boxinst, boxinst-r101, or a "
        "name of condinst list (default: r50 with a GPU, r18 without; boxinst where there are no "
        "masks)",
    )
    parser.add_argument("--out", metavar="DIR", help="another folder than NAME")
    parser.add_argument(
        "--val-fraction",
        type=float,
        default=0.2,
        metavar="X",
        help="share of the images for validation, where the data have no split (default 0.2)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of that split (default 0)")
    parser.add_argument(
        "--format",
        choices=("coco", "yolo", "labelme", "via", "masks", "pascal", "cityscapes"),
        help="of the annotations, where it is not recognized",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="that will train (default: a GPU if there is one)",
    )
    parser.add_argument(
        "--memory", type=float, metavar="GIB", help="of the device (default: what it has)"
    )
    parser.add_argument(
        "--from-scratch", action="store_true", help="start from no weights; nothing is fetched"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the config and annotations that are there"
    )


def run(args: argparse.Namespace) -> int:
    """What ``condinst new`` does."""
    from condinst.new import create

    created = create(
        args.name,
        args.data,
        model=args.model,
        out=args.out,
        val_fraction=args.val_fraction,
        seed=args.seed,
        fmt=args.format,
        device=args.device,
        memory=args.memory,
        from_scratch=args.from_scratch,
        force=args.force,
    )
    print(_report(created))
    return 0


def _report(created: Created) -> str:
    width = max(len(name) for name, _ in created.facts)
    facts = "\n".join(f"  {name:{width}}  {value}" for name, value in created.facts)
    notes = "\n".join(f"  - {note}" for note in created.notes)
    config = _shown(created.config)
    work_dir = Path("work_dirs") / created.config.stem
    last = f"iter_{created.max_iters}.pth"
    word = shlex.quote(str(config))
    return f"""the data:
{facts}
notes:
{notes}

wrote {config}:

{created.text}
next:
  condinst train {word}
  condinst test {word} {work_dir / last} --show-dir {work_dir}/images
  condinst predict {word} {work_dir / last} IMAGE --out found"""


def _shown(path: Path) -> Path:
    """Relative to the current folder where it lies in it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
