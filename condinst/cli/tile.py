"""Cut a dataset of large images into tiles, as files for training and testing.

This is for images that take longer to read than a training step. Smaller images can be cut while
they are loaded, by the transform RandomTile.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from condinst.cli.common import check_writable
from condinst.cli.early import check_file, check_folder
from condinst.cli.output_places import check_not_read
from condinst.cli.tile_arguments import check_tile_values, tile_size
from condinst.cli.values import check_range
from condinst.dataset_converters.tile_names import check_tiles_folder, output_names
from condinst.utils.names import printable
from condinst.utils.words import counted

_EXAMPLES = """examples:
  %(prog)s slides/annotations/instances_train.json --images slides/train --out tiles --tile 1024
  %(prog)s slides/annotations/instances_val.json --images slides/val --out tiles --tile 1024 \\
      --tile-overlap 0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.epilog = _EXAMPLES
    parser.add_argument("annotations", metavar="ANN.json", help="in COCO's format; not changed")
    parser.add_argument(
        "--images",
        required=True,
        metavar="FOLDER",
        help="the folder that its file names start from",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="new or empty folder, or one of an earlier tile, for "
        "FOLDER/annotations/instances_NAME.json and FOLDER/NAME/",
    )
    parser.add_argument(
        "--tile",
        type=tile_size,
        required=True,
        metavar="SIDE",
        help="tile size in pixels, SIDE or HEIGHTxWIDTH",
    )
    parser.add_argument(
        "--tile-overlap",
        type=float,
        default=0.2,
        metavar="FRACTION",
        help="least fraction of their side that neighboring tiles share (default 0.2)",
    )
    parser.add_argument(
        "--min-visible",
        type=float,
        default=0.3,
        metavar="FRACTION",
        help="an object with a smaller fraction inside a tile becomes a crowd there, neither "
        "learned nor counted (default 0.3)",
    )
    parser.add_argument("--no-empty", action="store_true", help="leave out tiles without objects")


def run(args: argparse.Namespace) -> int:
    """Run ``condinst tile``."""
    check_file("annotation file", args.annotations)
    check_folder("--images", args.images)
    if not any(Path(args.images).iterdir()):
        raise ValueError(f"--images {args.images}: is empty, expected a folder with images")
    check_range("--min-visible", args.min_visible)
    check_writable("--out", Path(args.out))
    check_tiles_folder("--out", Path(args.out), args.annotations)
    name, folder = output_names(args.annotations)
    check_not_read(
        "--out", Path(args.out) / "annotations" / f"instances_{name}.json", args.annotations
    )
    check_not_read("--out", Path(args.out) / folder, args.images)
    check_tile_values(args.tile, args.tile_overlap)
    print(f"reading {printable(args.annotations)} ...", flush=True)  # PyTorch takes seconds

    from condinst.dataset_converters.tile_coco import cut_files

    done = cut_files(
        args.annotations,
        args.images,
        args.out,
        tile=args.tile,
        overlap=args.tile_overlap,
        min_visible=args.min_visible,
        keep_empty=not args.no_empty,
    )
    print(
        f"{counted(done.num_images, 'image')}, {counted(done.num_tiles, 'tile')} with "
        f"{counted(done.num_objects, 'object')}, "
        f"{done.num_crowds} of them crowds or less than {args.min_visible:.0%} visible"
        f"\nannotations  {printable(done.annotations)}\nimages     {printable(done.images)}"
    )
    return 0
