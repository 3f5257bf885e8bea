"""The command ``condinst``.

Exit codes: 0 for success, 1 for an error (in one line on standard error if the user can correct
it), 2 for wrong arguments, 130 after Ctrl-C, 141 when the reader of the output has closed it.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

from condinst.cli.errors import explain
from condinst.cli.hints import command_elsewhere, foreign_option, unknown_option
from condinst.cli.once import print_error
from condinst.cli.parser import Parser
from condinst.compat import require_packages
from condinst.version import __version__

# Each module has add_arguments(parser) and run(args), which returns the exit code. Only the module
# of the chosen command is imported.
COMMANDS = {
    "new": ("new", "write a config for a dataset of your own"),
    "train": ("train", "train a model"),
    "test": ("test", "evaluate a checkpoint: box and mask AP"),
    "report": ("report", "write the results of a training as one page"),
    "predict": ("predict", "find the instances in images, folders and videos"),
    "demo": ("demo", "try a model on a page in the browser"),
    "export": ("export", "write a model as one ONNX file that needs no PyTorch"),
    "convert": ("convert", "convert weights of other programs to ours, or back"),
    "push": ("push", "upload a model to the Hugging Face Hub, with a card"),
    "browse": ("browse", "draw a dataset as training sees it"),
    "tile": ("tile", "cut a dataset of large images into tiles"),
    "info": ("info", "print parameters, FLOPs and memory of a model"),
    "doctor": ("doctor", "check the installation, the machine and a config's data"),
    "list": ("list_models", "list the models that have a name"),
    "quickstart": ("quickstart", "train a small model on generated images, in minutes"),
    "make-shapes": ("make_shapes", "generate images of colored shapes with annotations"),
}

# The commands that read images have --max-pixels. The environment passes it on to data workers and
# to the processes of a distributed run.
_READ_IMAGES = {
    *("new", "train", "test", "report", "predict", "demo", "export"),
    *("browse", "tile", "doctor"),
}
# The others end at once where a package is missing; the doctor lists what is missing.
_WITHOUT_PACKAGES = {"doctor", "list", "make-shapes"}
_MAX_PIXELS = "CONDINST_MAX_PIXELS"  # condinst.images.limit.VARIABLE
_DEBUG = "CONDINST_DEBUG"

_EPILOG = """examples:
  condinst make-shapes
  condinst predict shapes data/shapes/val --out found
  condinst list
  condinst new mine --data DATASET/
  condinst train quickstart_condinst_r18_fpn_shapes --seed 0
  condinst test CONFIG work_dirs/NAME/iter_90000.pth
  condinst doctor CONFIG

condinst COMMAND --help explains a command. The name of a model or a config of the package can
replace the path of a config.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code.

    Raises:
        Exception: a bug, or an error in the middle of a run; with ``--debug``, any error.
    """
    try:
        with suppress(AttributeError):  # another kind of stream
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except BrokenPipeError as error:
        if not _is_of_output(error):
            raise
        _silence_output()
        return 141
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    try:
        args = _parse(words)
    except SystemExit as ended:  # --help, --version, wrong arguments
        return ended.code if isinstance(ended.code, int) else 0
    except ImportError as error:  # in the module of the command
        message = explain(error)
        if message is None or os.environ.get(_DEBUG):
            raise
        print_error(message)
        return 1
    before = {name: os.environ.get(name) for name in (_DEBUG, _MAX_PIXELS)}
    if args.debug:
        os.environ[_DEBUG] = "1"  # also for processes that are started
    if getattr(args, "max_pixels", None) is not None:
        os.environ[_MAX_PIXELS] = str(args.max_pixels)
    try:
        if args.needs_packages:
            require_packages()
        return args.run(args)
    except BrokenPipeError:
        raise
    except Exception as error:
        message = explain(error)
        if message is None or os.environ.get(_DEBUG):
            raise
        print_error(message)
        return 1
    finally:
        for name, value in before.items():
            if value is not None:
                os.environ[name] = value
            else:
                os.environ.pop(name, None)


def build_parser(chosen: str | None) -> tuple[Parser, Parser]:
    """Build the parser of ``condinst``, in which one command has its arguments.

    Args:
        chosen: a key of ``COMMANDS``; None for none.

    Returns:
        The parser, and that of the command; the same parser twice without a command.
    """
    parser = Parser(
        prog="condinst",
        description="CondInst: instance segmentation by conditional convolutions.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"condinst {__version__}")
    _add_debug(parser, default=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    own = parser
    for name, (module_name, summary) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == chosen:
            own = command
            module = importlib.import_module(f"condinst.cli.{module_name}")
            command.description = module.__doc__
            command.set_defaults(run=module.run)
            module.add_arguments(command)
            command.set_defaults(needs_packages=name not in _WITHOUT_PACKAGES)
            # SUPPRESS: a default here would overwrite --debug before the command
            _add_debug(command, default=argparse.SUPPRESS)
            if name in _READ_IMAGES:
                command.add_argument(
                    "--max-pixels",
                    type=_positive,
                    metavar="N",
                    help="refuse images with more pixels (default 268435456 = 16384 x 16384)",
                )
    return parser, own


def _parse(words: list[str]) -> argparse.Namespace:
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    chosen = next((word for word in words if not word.startswith("-")), None)
    parser, own = build_parser(chosen)
    if chosen is not None and chosen not in COMMANDS:
        close = [command_elsewhere(chosen) or "", *difflib.get_close_matches(chosen, COMMANDS, 1)]
        hint = next(filter(None, close), None)
        names = f"did you mean {hint}?" if hint else f"expected one of {', '.join(COMMANDS)}"
        parser.error(f"{chosen}: no such command; {names}")
    options = parser._option_string_actions
    if chosen is None and words and not any(name.startswith(words[0]) for name in options):
        parser.error(f"unrecognized arguments: {words[0]}{unknown_option(parser, words[0])}")
    if chosen is not None and (foreign := foreign_option(chosen, own, words)):
        own.error(f"{foreign[0]}: condinst {chosen} has no such option; {foreign[1]}")
    args, unknown = parser.parse_known_args(words)
    if unknown:
        own.error(f"unrecognized arguments: {' '.join(unknown)}{unknown_option(own, unknown[0])}")
    return args


def _positive(word: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word) > 0):
        raise argparse.ArgumentTypeError(f"{word}: expected a number above 0")
    return int(word)


def _add_debug(parser: argparse.ArgumentParser, default: bool | str) -> None:
    parser.add_argument(
        "--debug", action="store_true", default=default, help="show the traceback of an error"
    )


def _silence_output() -> None:
    """Discard what is still to be printed: Python flushes the output again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_of_output(error: BrokenPipeError) -> bool:
    """Tell whether the reader of standard output has closed it, as ``head`` does.

    Otherwise the pipe to a data worker is broken.
    """
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return "multiprocessing" not in files[-1]
