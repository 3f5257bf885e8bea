"""Add and read the arguments of the commands that cut images into tiles."""

from __future__ import annotations

import argparse
from typing import Any

from condinst.cli.parser import needs


def add_tile_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that cut images into tiles."""
    parser.add_argument(
        "--tile",
        type=tile_size,
        metavar="SIDE",
        help="process large images by overlapping tiles of so many pixels; HEIGHTxWIDTH for "
        "tiles that are not square. --batch-size then counts tiles",
    )
    parser.add_argument(
        "--tile-overlap",
        type=float,
        default=0.2,
        metavar="FRACTION",
        help="least fraction of their side that neighboring tiles share: objects up to that size "
        "lie whole in a tile (default 0.2)",
    )
    parser.add_argument(
        "--tile-standard-pred",
        action="store_true",
        help="also process the whole image, reduced to the size of a tile, for large objects",
    )
    parser.add_argument(
        "--tile-match-threshold",
        type=float,
        default=0.5,
        metavar="IOU",
        help="detections of two tiles are one object if their IoU in the shared zone is at least "
        "this (default 0.5)",
    )
    options = ("--tile-overlap", "--tile-standard-pred", "--tile-match-threshold")
    needs(parser, options, "--tile")


def tile_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments under the names of the predictors' arguments."""
    names = ("tile", "tile_overlap", "tile_standard_pred", "tile_match_threshold")
    return {name: getattr(args, name) for name in names}


def check_tiling(args: argparse.Namespace) -> None:
    """Check the arguments of the tiles.

    Raises:
        ValueError: an argument is out of range.
    """
    check_tile_values(**tile_arguments(args))


def check_tile_values(
    tile: tuple[int, int] | None,
    tile_overlap: float,
    tile_standard_pred: bool = False,
    tile_match_threshold: float = 0.5,
) -> None:
    """Check the values of the options of the same names.

    Raises:
        ValueError: a value is out of range.
    """
    from condinst.tiling.tiling import Tiling

    try:
        Tiling.of(tile, tile_overlap, tile_standard_pred, tile_match_threshold)
    except ValueError as error:  # tile_overlap=2.0: ...
        name, _, rest = str(error).partition("=")
        raise ValueError(f"--{name.replace('_', '-')} {rest}") from None


def tile_size(word: str) -> tuple[int, int]:
    """Parse the height and width of a tile from SIDE or HEIGHTxWIDTH."""
    sides = word.lower().split("x")
    if len(sides) not in (1, 2) or not all(side.isdigit() for side in sides):
        raise argparse.ArgumentTypeError(f"{word}: expected SIDE or HEIGHTxWIDTH, in pixels")
    if int(sides[0]) < 1 or int(sides[-1]) < 1:
        raise argparse.ArgumentTypeError(f"{word}: expected 1 pixel or more")
    return int(sides[0]), int(sides[-1])
