"""The switches of the commands that cut images into tiles."""

from __future__ import annotations

import argparse
from typing import Any


def add_tile_arguments(parser: argparse.ArgumentParser) -> None:
    """The switches that cut images into tiles."""
    parser.add_argument(
        "--tile",
        type=tile_size,
        metavar="SIDE",
        help="look at large images by overlapping tiles of so many pixels; HEIGHTxWIDTH for "
        "tiles that are no squares. --batch-size counts tiles then",
    )
    parser.add_argument(
        "--tile-overlap",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="what neighboring tiles share of their side, at least: objects up to that size are "
        "seen whole (default 0.2)",
    )
    parser.add_argument(
        "--tile-standard-pred",
        action="store_true",
        help="also look at the whole image, reduced to the size of a tile, for large objects",
    )
    parser.add_argument(
        "--tile-match-threshold",
        type=float,
        default=0.5,
        metavar="IOU",
        help="from what IoU on, in the zone that two tiles share, they mean one object "
        "(default 0.5)",
    )


def tile_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Those of the command line, by the names that predictors have for them."""
    names = ("tile", "tile_overlap", "tile_standard_pred", "tile_match_threshold")
    return {name: getattr(args, name) for name in names}


def tile_size(word: str) -> tuple[int, int]:
    """Height and width of a tile, from SIDE or HEIGHTxWIDTH."""
    sides = word.lower().split("x")
    if len(sides) not in (1, 2) or not all(side.isdigit() for side in sides):
        raise argparse.ArgumentTypeError(f"{word}: expected SIDE or HEIGHTxWIDTH, in pixels")
    return int(sides[0]), int(sides[-1])
