"""Generate the dataset "shapes": images of colored shapes, with annotations in COCO format."""

from __future__ import annotations

import argparse

from condinst.datasets.shapes.generator import make_shapes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", required=True, help="output folder: new, empty, or written by this command"
    )
    parser.add_argument(
        "--train", type=int, default=1000, help="number of training images (default 1000)"
    )
    parser.add_argument(
        "--val", type=int, default=60, help="number of validation images (default 60)"
    )
    parser.add_argument(
        "--size", type=int, default=128, help="width and height in pixels (default 128)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the images (default 0)")
    args = parser.parse_args()
    try:
        written = make_shapes(
            args.out, num_train=args.train, num_val=args.val, size=args.size, seed=args.seed
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    done = "wrote" if written else "already there:"
    print(f"{done} {args.out} ({args.train} training and {args.val} validation images)")


if __name__ == "__main__":
    main()
