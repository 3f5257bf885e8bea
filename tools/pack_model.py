"""Make the file of a model that comes with the package: half precision, no optimizer.

python tools/pack_model.py CHECKPOINT --out condinst/model_zoo/packaged/NAME.pth
"""

from __future__ import annotations

import argparse
from pathlib import Path

from condinst.cli import errors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of condinst train")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--license", default="Apache-2.0", help="default Apache-2.0")
    args = parser.parse_args()

    from condinst.model_zoo.pack import pack

    pack(args.checkpoint, args.out, license=args.license)
    print(f"wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    errors.run(main)
