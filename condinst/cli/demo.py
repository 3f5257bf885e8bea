"""Try a model on a page in the browser: images, folders and videos, masks, files to download."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from condinst.cli.early import check_file, check_model_words
from condinst.cli.ending import ends_by_signals
from condinst.cli.predict_sources import split_model
from condinst.cli.tile_arguments import add_tile_arguments, check_tiling, tile_arguments
from condinst.cli.values import check_device, check_least, check_range
from condinst.demo.later import LoadedLater
from condinst.demo.server import check_gradio, serve
from condinst.demo.settings import Settings
from condinst.images.sources import list_folder
from condinst.inference.base import BasePredictor
from condinst.utils.names import printable

_EXPORTED = (".onnx", ".xml")

_EPILOG = """The page is served to this machine alone, and calls no other. With --host 0.0.0.0
everyone who reaches the machine can use it: there is no password.

examples:
  %(prog)s nuclei
  %(prog)s CONFIG work_dirs/NAME/iter_90000.pth
  %(prog)s model.onnx
  %(prog)s nuclei slides/ --tile 512
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "words",
        nargs="+",
        metavar="MODEL [CHECKPOINT] [FOLDER]",
        help="the model: a published model's name (condinst list), a config with its checkpoint, "
        "a checkpoint that holds its config, or an exported file (.onnx, .xml); then a folder of "
        "images of this machine that the page offers",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, help="port (default the first free one from 7860)")
    parser.add_argument(
        "--score-thr", type=float, default=0.3, help="the threshold at the start (default 0.3)"
    )
    parser.add_argument("--device", help="such as cuda:0 or cpu (default: the GPU if there is one)")
    parser.add_argument(
        "--max-frames",
        type=int,
        default=600,
        metavar="N",
        help="leave out later frames of a video (default 600)",
    )
    add_tile_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run ``condinst demo``."""
    exported = args.words[0].lower().endswith(_EXPORTED)
    if exported:
        model, checkpoint, rest = args.words[0], None, args.words[1:]
        check_file("model file", model)
        if args.device is not None:
            raise ValueError("--device: an exported file runs on the CPU")
    else:
        model, checkpoint, rest = split_model(args.words)
        check_model_words(model, checkpoint)
    settings = _settings(args, rest)
    check_tiling(args)
    check_device(args.device)
    check_gradio()

    def load() -> BasePredictor[Any]:
        tiles = tile_arguments(args)
        if exported:
            from condinst import deploy

            kind = deploy.OnnxPredictor if model.endswith(".onnx") else deploy.OpenVinoPredictor
            return kind(model, **tiles)
        from condinst.inference.predictor import Predictor

        return Predictor(model, checkpoint, device=args.device, **tiles)

    def ready(url: str) -> None:
        print(f"page   {url}  (Ctrl-C ends it)", flush=True)

    print(f"model  {printable(checkpoint or model)}", flush=True)  # Gradio takes seconds
    with ends_by_signals():
        serve(
            LoadedLater(Path(model).name if exported else model, load),
            settings,
            args.host,
            args.port,
            ready,
        )
    return 0


def _settings(args: argparse.Namespace, rest: list[str]) -> Settings:
    """Check the options and the folder.

    Raises:
        ValueError: an option is out of range, or there is more than one folder.
        FileNotFoundError: there is no such folder.
    """
    check_range("--score-thr", args.score_thr)
    check_least("--max-frames", args.max_frames)
    check_range("--port", args.port, 1, 65535)
    if len(rest) > 1:
        raise ValueError(f"{' '.join(rest)}: expected one folder of images after the model")
    if not rest:
        return Settings(Path(), args.score_thr, max_frames=args.max_frames)
    folder = Path(rest[0])
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of images after the model")
    files = list_folder(folder)
    return Settings(Path(), args.score_thr, files, printable(folder.name), args.max_frames)
