"""Export a trained detector to a file that runs without mmdet, and compare the two."""

from __future__ import annotations

import argparse
from pathlib import Path

from condinst.cli.common import make_parser
from condinst.cli.early import check_images, check_model_words, check_out_file
from condinst.cli.output_places import check_not_read
from condinst.cli.parser import needs
from condinst.cli.values import check_least
from condinst.utils.names import printable

_ENDINGS = {"onnx": ".onnx", "openvino": ".xml", "pt2": ".pt2"}

_EPILOG = """formats:
  onnx      one file from the image to boxes, scores, labels and masks (ONNX Runtime, ...)
  openvino  the same as .xml and .bin for OpenVINO
  pt2       the network up to its dense predictions, for torch.export.load

examples:
  %(prog)s condinst_r50_fpn_1x --out condinst.onnx
  %(prog)s config.py work_dirs/NAME/iter_90000.pth --check-images images/
  %(prog)s config.py epoch_12.pth --fixed-size 800 1344 --fp16
  %(prog)s config.py epoch_12.pth --int8 --calibration-images images/

The exit code is 0 if the file agrees with the detector. Otherwise it is 1, and ".failed" is
appended to the file's name.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("config", help="config file, or name of a model (condinst list)")
    parser.add_argument(
        "checkpoint",
        nargs="?",
        help="checkpoint file, URL or name of a model (default: that of the named model)",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="file to write (default: named after the config)"
    )
    parser.add_argument("--format", choices=["onnx", "pt2", "openvino"], default="onnx")
    parser.add_argument(
        "--fixed-size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="height and width of all images, for accelerators: no size varies then, and each "
        "image has max_per_img places for detections",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="number of images at a time (default: any, or 1 with --fixed-size); a file for 1 "
        "image needs less memory",
    )
    parser.add_argument("--fp16", action="store_true", help="weights and activations in float16")
    parser.add_argument(
        "--int8", action="store_true", help="convolutions in int8; needs --calibration-images"
    )
    parser.add_argument(
        "--calibration-images", metavar="FOLDER", help="folder of images like those to predict"
    )
    parser.add_argument(
        "--num-calibration-images",
        type=int,
        default=32,
        metavar="N",
        help="largest number of them (default 32)",
    )
    parser.add_argument(
        "--check-images",
        metavar="FOLDER",
        help="folder of images on which the file is compared with the detector (default: generated "
        "images)",
    )
    parser.add_argument(
        "--num-check-images",
        type=int,
        default=8,
        metavar="N",
        help="largest number of them (default 8)",
    )
    needs(parser, ["--num-calibration-images"], "--calibration-images")
    needs(parser, ["--num-check-images"], "--check-images")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line of ``tools/export.py``."""
    return make_parser("python tools/export.py", __doc__, add_arguments).parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run ``tools/export.py``."""
    code = run(parse_args(argv))
    if code:
        raise SystemExit(code)


def _check(args: argparse.Namespace) -> None:
    """Check what needs no PyTorch."""
    if args.int8 != bool(args.calibration_images):
        raise ValueError("--int8 and --calibration-images FOLDER: expected both or neither")
    if args.int8 and (args.fp16 or args.format == "pt2"):
        other = "--fp16" if args.fp16 else "--format pt2"
        raise ValueError(f"--int8 {other}: expected only one of them")
    if args.format == "pt2" and args.check_images is not None:
        raise ValueError("--check-images: does nothing with --format pt2, which holds no masks")
    if args.format == "pt2" and args.batch_size is not None and not args.fixed_size:
        raise ValueError("--batch-size: does nothing with --format pt2 without --fixed-size")
    check_model_words(args.config, args.checkpoint)
    if args.out is not None:
        if Path(args.out).suffix != _ENDINGS[args.format]:
            raise ValueError(
                f"--out {args.out}: expected a name that ends in {_ENDINGS[args.format]} for "
                f"--format {args.format}"
            )
        check_out_file("--out", args.out)
    out = Path(args.out or f"{Path(args.config).stem}{_ENDINGS[args.format]}")
    for path in (out, *([out.with_suffix(".bin")] if args.format == "openvino" else [])):
        check_not_read("--out", path, args.config, args.checkpoint)
    check_least("--batch-size", args.batch_size)
    check_least("--num-calibration-images", args.num_calibration_images)
    check_least("--num-check-images", args.num_check_images)
    for side in args.fixed_size or ():
        check_least("--fixed-size", side)
    for option in ("calibration_images", "check_images"):
        if getattr(args, option) is not None:
            check_images(f"--{option.replace('_', '-')}", getattr(args, option))


def run(args: argparse.Namespace) -> int:
    """Run ``condinst export``."""
    _check(args)
    # importing PyTorch takes seconds
    print(f"model  {printable(args.checkpoint or args.config)}", flush=True)
    try:
        from condinst.export.exporter import Options, export_model
    except ImportError as error:
        known = isinstance(error, ModuleNotFoundError)  # otherwise it is there and broken
        if known and (error.name or "").split(".")[0] in (
            "onnx",
            "onnxscript",
            "onnxruntime",
            "openvino",
        ):
            raise ImportError(
                f"condinst export needs {error.name}: pip install 'condinst[export]'",
                name=error.name,
            ) from error
        raise
    from condinst.export.verify import format_table

    done = export_model(
        args.config,
        args.checkpoint,
        args.out,
        Options(
            format=args.format,
            fixed_size=tuple(args.fixed_size) if args.fixed_size else None,
            batch=args.batch_size,
            half=args.fp16,
            calibration_images=args.calibration_images,
            num_calibration=args.num_calibration_images,
            check_images=args.check_images,
            num_check=args.num_check_images,
        ),
    )
    if done.rows:
        print(format_table(done.rows))
    if done.figure is not None:
        print(f"largest difference of the network's outputs: {done.figure:.1g} of the largest one")
    elif not any(row.agreement.matched for row in done.rows):
        print(
            "warning: no image has a detection; give images of your own with --check-images FOLDER"
        )
    if done.failures:
        print(f"out of bounds: {'; '.join(done.failures)}\nkept as {printable(done.path)}")
        return 1
    print(f"wrote {printable(done.path)} ({done.path.stat().st_size / 1e6:.1f} MB)")
    return 0
