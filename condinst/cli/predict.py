"""Find the instances in images, folders and videos, with a trained model."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.cli.annotation_output import ANNOTATION_FORMATS
from condinst.cli.early import (
    check_device,
    check_least,
    check_model_words,
    check_range,
)
from condinst.cli.predict_output import FORMATS, ImageOutput, UnreadableError
from condinst.cli.predict_sources import check_first, check_out, download, find, split
from condinst.cli.predict_video import VideoOutput
from condinst.cli.tile_arguments import add_tile_arguments, check_tiling, tile_arguments
from condinst.images.web import is_url
from condinst.utils.names import printable
from condinst.utils.words import counted, without_error_numbers

if TYPE_CHECKING:
    from condinst.inference.predictor import Predictor
    from condinst.results.results import Results

_EPILOG = """formats, in addition to the images with the instances drawn on them:
  coco         one dataset file, annotations.json, with exact masks as RLE
  labelme      one file per image, for labelme
  cvat         annotations.xml for CVAT, and its labels, cvat_labels.json
  labelstudio  labelstudio.json for Label Studio, and its labeling interface
  yolo         the folder yolo: data.yaml, the labels, and copies of the images
  png          one file per image, NAME_instances.png: a pixel's value is its instance's number
  json         one line of JSON per image, predictions.jsonl
  labels       a label map per image, labels/NAME.png, of 16 bits: a pixel's value is its instance's
               number; a TIFF of 32 bits for more than 65,535 instances, or with labels-tiff

examples:
  %(prog)s shapes data/shapes/val
  %(prog)s condinst_r50_fpn_90k photo.jpg https://example.org/street.jpg
  %(prog)s CONFIG work_dirs/NAME/iter_90000.pth folder/ film.mp4 --out found
  %(prog)s work_dirs/NAME/iter_90000.pth folder/ --format coco labelme --no-images
  %(prog)s CONFIG CHECKPOINT slide.tif --tile 1024
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "words",
        nargs="+",
        metavar="MODEL [CHECKPOINT] SOURCE",
        help="the model: a published model's name (condinst list), a config with its checkpoint, "
        "or a checkpoint that holds its config; then images, folders of images, videos, and "
        "URLs of images, which are kept in OUT/downloads",
    )
    parser.add_argument(
        "--out",
        default="predictions",
        metavar="FOLDER",
        help="folder of the results (default predictions)",
    )
    parser.add_argument(
        "--format", nargs="+", choices=FORMATS, default=[], help="files to write, see below"
    )
    parser.add_argument(
        "--no-images", action="store_true", help="draw no images, write only the files of --format"
    )
    parser.add_argument("--no-boxes", action="store_true", help="draw the masks without boxes")
    parser.add_argument(
        "--names",
        choices=["auto", "all", "none"],
        default="auto",
        help="names and scores on the images: auto (default) leaves out the name of the only class "
        "and every label that would hide more than a fifth of an object",
    )
    parser.add_argument(
        "--closeups",
        action="store_true",
        help="also draw enlarged edges of the largest masks, NAME_edges.png",
    )
    parser.add_argument(
        "--score-thr", type=float, default=0.3, help="leave out lower scores (default 0.3)"
    )
    parser.add_argument("--device", help="such as cuda:0 or cpu (default: the GPU if there is one)")
    parser.add_argument(
        "--batch-size", type=int, default=1, help="number of images at a time (default 1)"
    )
    parser.add_argument(
        "--amp", nargs="?", const="float16", choices=["float16", "bfloat16"], help="mixed precision"
    )
    parser.add_argument("--compile", action="store_true", help="compile the network first")
    add_tile_arguments(parser)
    parser.add_argument(
        "--skip-broken", action="store_true", help="skip files that cannot be read, with a warning"
    )


def run(args: argparse.Namespace) -> int:
    """Run ``condinst predict``."""
    model, checkpoint, words = split(args.words)
    check_model_words(model, checkpoint)
    urls = [word for word in words if is_url(word)]
    images, videos = find([word for word in words if word not in urls])
    images, unnameable = _with_names(images, videos, args)
    out = Path(args.out)
    check_out(out, [*images, *videos], args)
    check_range("--score-thr", args.score_thr)
    check_least("--batch-size", args.batch_size)
    check_device(args.device)
    check_tiling(args)
    if not args.skip_broken:
        check_first(images)
    downloads, not_read = download(urls, out / "downloads", args.skip_broken)
    images += downloads
    print(f"model  {printable(checkpoint or model)}", flush=True)  # importing PyTorch takes seconds

    from condinst.inference.predictor import Predictor

    predictor = Predictor(
        model,
        checkpoint,
        device=args.device,
        dtype=args.amp,
        compile=args.compile,
        batch_size=args.batch_size,
        score_thr=args.score_thr,
        on_error="skip" if args.skip_broken else "raise",
        **tile_arguments(args),
    )
    start = time.monotonic()
    drawn = dict(
        draw=not args.no_images,
        boxes=not args.no_boxes,
        names={"auto": "auto", "all": True, "none": False}[args.names],
        closeups=args.closeups,
    )
    num_instances = num_images = 0
    with (
        _ends_by_signals(),
        _skipping() as skipped,
        ImageOutput(out, args.format, predictor.class_names, **drawn) as output,
    ):
        for error in (*not_read, *unnameable):
            skipped(error)
        for results in _progress(predictor.stream(images), len(images)):
            try:
                output.write(results)
            except UnreadableError as error:
                if not args.skip_broken:
                    raise
                skipped(str(error))
                continue
            num_images, num_instances = num_images + 1, num_instances + len(results)
        for video in videos:
            frames, instances = _predict_video(predictor, video, output)
            num_images, num_instances = num_images + frames, num_instances + instances
    seconds = time.monotonic() - start
    left_out = f", {skipped.count} skipped" if skipped.count else ""
    speed = num_images / max(seconds, 1e-9)
    print(
        f"{counted(num_instances, 'instance')} in {counted(num_images, 'image')}{left_out}, "
        f"{seconds:.1f} s ({speed:.2g} images per second): {printable(out)}"
    )
    if num_images == 0:
        raise ValueError("none of the images could be read")
    return 0


class _Skipped:
    """Says which files are left out, one line each, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, reason: str) -> None:
        self.count += 1
        text = printable(without_error_numbers(reason))
        print(f"warning: skipped: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _skipping() -> Iterator[_Skipped]:
    """Print the predictor's warnings of skipped images without a place in our source."""
    from condinst.inference.base import SkippedWarning

    skipped = _Skipped()
    with warnings.catch_warnings():
        warnings.simplefilter("always", SkippedWarning)
        show = warnings.showwarning

        def say(message: Any, category: type[Warning], *place: Any, **others: Any) -> None:
            if issubclass(category, SkippedWarning):
                skipped(str(message).removeprefix("skipped: "))
            else:
                show(message, category, *place, **others)

        warnings.showwarning = say
        yield skipped


def _with_names(
    images: list[Path], videos: Sequence[Path], args: argparse.Namespace
) -> tuple[list[Path], list[str]]:
    """Split images into those whose names a JSON file can hold, and messages on the others.

    Raises:
        ValueError: there are others, and they are not to be skipped.
    """
    if not {"coco", "json", *ANNOTATION_FORMATS} & set(args.format):
        return images, []
    kept, messages = [], []
    for source in (*images, *videos):
        reason = _unnameable(str(source), args.format)
        if reason is None:
            kept += [source] * (source in images)
            continue
        messages.append(f"image file {printable(source)}: {reason}; rename it")
        if not args.skip_broken or source in videos:
            raise ValueError(messages[-1])
    return kept, messages


def _unnameable(name: str, chosen: Sequence[str]) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8, and no JSON file can hold it"
    if "cvat" in chosen and not name.isprintable():
        return "its name has a control character, and no XML file can hold it"
    return None


def _predict_video(predictor: Predictor, video: Path, output: ImageOutput) -> tuple[int, int]:
    """Return the number of frames of a video, and of the instances in them."""
    num_frames = num_instances = 0
    with VideoOutput(video, output) as film:
        for results in _progress(predictor.stream(video), film.num_frames):
            film.write(results)
            num_frames, num_instances = num_frames + 1, num_instances + len(results)
    return num_frames, num_instances


@contextlib.contextmanager
def _ends_by_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the block as Ctrl-C does, so that the results are written."""

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _progress(stream: Iterator[Results], total: int) -> Iterator[Results]:
    """Pass results on, and show the progress in a line on a terminal."""
    terminal = sys.stderr.isatty()
    for number, results in enumerate(stream, start=1):
        yield results
        if terminal:
            name = printable(Path(results.path).name) if results.path else "frame"
            text = f"{number} of {total}  {name[:40]}  {counted(len(results), 'instance')}"
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
    if terminal and total:
        print(file=sys.stderr)
