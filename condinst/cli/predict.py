"""Find the instances in images, folders and videos, with a trained model."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condinst.cli.dark_images import note_on_dark_images
from condinst.cli.early import check_model_words
from condinst.cli.ending import ends_by_signals
from condinst.cli.parser import idle_with
from condinst.cli.predict_files import OutputFiles
from condinst.cli.predict_output import FORMATS, ImageOutput, UnreadableError
from condinst.cli.predict_progress import show_progress
from condinst.cli.predict_share import Share, find_share
from condinst.cli.predict_skipping import skipping
from condinst.cli.predict_sources import (
    check_first,
    check_out,
    check_track,
    download,
    find,
    split,
    with_names,
)
from condinst.cli.predict_video import VideoOutput
from condinst.cli.tile_arguments import add_tile_arguments, check_tiling, tile_arguments
from condinst.cli.values import check_device, check_least, check_range
from condinst.images.live import LiveStream, is_live
from condinst.images.sources import single_images
from condinst.images.web import is_url
from condinst.utils.names import printable, safe_part
from condinst.utils.words import counted

if TYPE_CHECKING:
    from condinst.inference.predictor import Predictor

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
  torchrun --nproc-per-node 2 -m condinst predict nuclei folder/   shared by two processes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "words",
        nargs="+",
        metavar="MODEL [CHECKPOINT] SOURCE",
        help="the model: a published model's name (condinst list), a config with its checkpoint, "
        "or a checkpoint that holds its config; then images, folders of images, videos, "
        "URLs of images, which are kept in OUT/downloads, a camera's number, and streams (rtsp://, "
        "http://.../stream.mjpg), which Ctrl-C ends",
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
    parser.add_argument(
        "--track",
        action="store_true",
        help="number the objects of videos, by ByteTrack: a track begins with --score-thr, and "
        "goes on with lower scores; what belongs to no track is left out",
    )
    parser.add_argument(
        "--max-frames",
        type=int,
        metavar="N",
        help="end each video, camera and stream after so many frames",
    )
    parser.add_argument("--compile", action="store_true", help="compile the network first")
    add_tile_arguments(parser)
    parser.add_argument(
        "--skip-broken", action="store_true", help="skip files that cannot be read, with a warning"
    )
    idle_with(parser, ["--no-boxes", "--names"], "--no-images")


def run(args: argparse.Namespace) -> int:
    """Run ``condinst predict``."""
    model, checkpoint, words = split(args.words)
    check_model_words(model, checkpoint)
    live = [word for word in words if is_live(word) and not Path(word).exists()]
    urls = [word for word in words if is_url(word) and word not in live]
    images, videos = find([word for word in words if word not in (*urls, *live)])
    images, unnameable = with_names(images, videos, args)
    out = Path(args.out)
    check_out(out, [*images, *videos], args)
    files = OutputFiles(out, args.format, draw=not args.no_images, closeups=args.closeups)
    files.check_sources(images, videos)
    check_range("--score-thr", args.score_thr)
    check_track(args.track, [*videos, *live])
    if args.max_frames is not None and not (videos or live):
        raise ValueError("--max-frames: works for videos and streams, and none is given")
    check_least("--max-frames", args.max_frames)
    check_least("--batch-size", args.batch_size)
    check_device(args.device)
    check_tiling(args)
    if not args.skip_broken:
        check_first(images)
    share = find_share()
    if share.size > 1 and (urls or live):
        word = [*urls, *live][0]
        raise ValueError(f"{word}: several processes read files only; download it first")
    downloads, not_read = download(urls, out / "downloads", args.skip_broken, files.own)
    images += downloads
    if share.is_first:
        print(f"model  {printable(checkpoint or model)}", flush=True)  # importing PyTorch is slow

    from condinst.inference.predictor import Predictor

    with share.meet():
        predictor = Predictor(
            model,
            checkpoint,
            device=share.device(args.device),
            dtype=args.amp,
            compile=args.compile,
            batch_size=args.batch_size,
            score_thr=args.score_thr,
            on_error="skip" if args.skip_broken else "raise",
            **tile_arguments(args),
        )
        output = ImageOutput(
            out,
            args.format,
            predictor.class_names,
            draw=not args.no_images,
            boxes=not args.no_boxes,
            names="auto" if args.names == "auto" else args.names == "all",
            closeups=args.closeups,
            collect=share.size > 1,
        )
        if share.is_first and (note := note_on_dark_images(images, predictor.pixel_format)):
            print(f"note: {note}", file=sys.stderr, flush=True)
        unread = (*not_read, *unnameable) if share.is_first else ()
        with ends_by_signals():
            _predict(predictor, images, videos, live, output, share, args, unread)
    return 0


def _predict(
    predictor: Predictor,
    images: Sequence[Path],
    videos: Sequence[Path],
    live: Sequence[str],
    output: ImageOutput,
    share: Share,
    args: argparse.Namespace,
    unread: Sequence[str],
) -> None:
    """Predict the sources of this process and write their files.

    Args:
        live: cameras and streams, one after the other.
        unread: messages on files that are left out already.

    Raises:
        ValueError: a file cannot be read, or none.
    """
    start = time.monotonic()
    num_instances = num_images = 0
    sources = [*images, *videos]
    chosen = share.choose(len(images), len(videos), args.batch_size)
    output.name_sources(sources, chosen)
    own_images = [sources[i] for i in chosen if i < len(images)]
    with skipping() as skipped:
        with output:
            for error in unread:
                skipped(error)
            stream = predictor.stream(own_images)
            for results in show_progress(stream, len(own_images), share, len(images)):
                try:
                    output.write(results)
                except UnreadableError as error:
                    if not args.skip_broken:
                        raise
                    skipped(str(error))
                    continue
                num_images, num_instances = num_images + 1, num_instances + len(results)
            for video in (sources[i] for i in chosen if i >= len(images)):
                with VideoOutput(video, output) as film:
                    found = _predict_video(predictor, video, film, args, share)
                num_images, num_instances = num_images + found[0], num_instances + found[1]
            for word in live:
                with (
                    LiveStream(word) as source,
                    VideoOutput(Path(safe_part(source.name)), output, source.rate) as film,
                ):
                    found = _predict_video(predictor, iter(source), film, args, share)
                num_images, num_instances = num_images + found[0], num_instances + found[1]
        counts = share.finish(output, [num_images, num_instances, skipped.count])
    if not share.is_first:
        return
    num_images, num_instances, num_skipped = counts
    seconds = time.monotonic() - start
    left_out = f", {num_skipped} skipped" if num_skipped else ""
    by = f" by {share.size} processes" if share.size > 1 else ""
    speed = num_images / max(seconds, 1e-9)
    print(
        f"{counted(num_instances, 'instance')} in {counted(num_images, 'image')}{left_out}, "
        f"{seconds:.1f} s{by} ({speed:.2g} images per second): {printable(output.out)}"
    )
    if num_images == 0:
        raise ValueError("none of the images could be read")


def _predict_video(
    predictor: Predictor, video: Any, film: VideoOutput, args: argparse.Namespace, share: Share
) -> tuple[int, int]:
    """Write the results of a video's file or frames; return the numbers of frames and instances."""
    num_frames = num_instances = 0
    frames = itertools.islice(single_images(video), args.max_frames)
    if args.track:
        from condinst.inference.tracking import LEAST_SCORE, track

        stream = predictor.stream(frames, score_thr=min(LEAST_SCORE, args.score_thr))
        stream = track(stream, film.rate, score_thr=args.score_thr)
    else:
        stream = predictor.stream(frames)
    for results in show_progress(stream, film.num_frames, share):
        film.write(results)
        num_frames, num_instances = num_frames + 1, num_instances + len(results)
    return num_frames, num_instances
