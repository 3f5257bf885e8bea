"""What the commands make of configs with mistakes in them.

A command may succeed (the mistake is
harmless) or end with exit code 1 or 2 and one clear message; a traceback, a signal, a hang and a
gigabyte more than before are problems.

    python tests/helpers/config_fuzz.py --first 0 --num 50    # prints one JSON line per case
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import logging
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from config_cases import BASES, REPO, ROOTS, SMALL, Case, as_text, make_case

SECONDS = 120  # a case that takes longer hangs
MEGABYTES = 1024  # more than before the case is a problem


@dataclass(frozen=True)
class Outcome:
    """How a case ended: "success", "message", or a problem."""

    number: int
    kind: str
    what: str
    command: str
    result: str
    text: str
    seconds: float
    megabytes: float


class _Hang(BaseException):
    pass


class _Enough(BaseException):
    pass


class Workshop:
    """Generated images, the base configs and their checkpoints, in one folder."""

    def __init__(self, folder: Path) -> None:
        from mmengine.config import Config

        from condinst.datasets.shapes.generator import make_shapes

        self.folder = folder
        self.data = folder / "shapes"
        if not self.data.is_dir():
            make_shapes(self.data, num_train=8, num_val=2, size=96)
        os.environ["CONDINST_DATA_ROOT"] = f"{self.data.as_posix()}/"
        self.bases: dict[str, dict[str, Any]] = {}
        for name, text in BASES.items():
            path = folder / f"base_{name}.py"
            path.write_text(text.format(small=SMALL.as_posix()))
            flat = Config.fromfile(path).to_dict()
            self.bases[name] = {k: v for k, v in flat.items() if k in ROOTS}

    def checkpoint(self, base: str) -> Path:
        """Weights that fit a base config, with its text."""
        import torch
        from mmengine.config import Config

        from condinst.config.build import build_model

        path = self.folder / f"base_{base}.pth"
        if not path.is_file():
            cfg = Config(copy.deepcopy(self.bases[base]))
            meta = dict(cfg=as_text(self.bases[base]), dataset_meta=dict(classes=list("abcde")))
            torch.save(dict(meta=meta, state_dict=build_model(cfg).state_dict()), path)
        return path


def run_case(case: Case, shop: Workshop) -> Outcome:
    """Run the command of a case in this process."""
    folder = Path(tempfile.mkdtemp(prefix="case", dir=shop.folder))
    config = folder / next(iter(case.files))
    for name, content in case.files.items():
        if content is None:
            (folder / name).mkdir()
        elif isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).write_text(content, encoding="utf-8")
    before, start = _peak(), time.monotonic()
    result, text = _guarded(case, config, shop)
    seconds, more = time.monotonic() - start, _peak() - before
    if more > MEGABYTES and result in ("success", "message"):
        result = "memory"
    label = (case.number, case.kind, f"{case.base}: {case.what}", case.command)
    return Outcome(*label, result, text, round(seconds, 2), round(more))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _guarded(case: Case, config: Path, shop: Workshop) -> tuple[str, str]:
    def hang(*_: object) -> None:
        raise _Hang

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    out, err = io.StringIO(), io.StringIO()
    here = Path.cwd()
    try:
        os.chdir(config.parent)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _brief_training():
            code = _start(case, config, shop)
    except _Enough:
        code = 0
    except _Hang:
        return "hang", "".join(traceback.format_exc().splitlines(True)[-8:])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException as error:
        frames = traceback.format_tb(error.__traceback__)
        return "traceback", f"{type(error).__name__}: {str(error)[:300]}\n{frames[-1]}"
    finally:
        signal.alarm(0)
        os.chdir(here)
        _forget()
    return judge(code, out.getvalue(), err.getvalue())


def judge(code: int, out: str, err: str) -> tuple[str, str]:
    """What to think of a command that has ended, and what it said."""
    if "Traceback (most recent call last)" in out + err:
        return "traceback", err[-600:]
    if code == 0:
        return "success", ""
    said = [line for line in err.splitlines() if line.startswith(("error: ", "condinst"))]
    text = err[err.index(said[-1]) :].strip() if said else (err + out).strip()[-600:]
    lines = text.splitlines()
    # the look through the data and the doctor list all that they find
    listed = all(re.match(r"  \d+\. ", line) for line in lines[1:])
    if "[error]" in out or "ERROR" in out or "error" in out and not said:
        return "message", out.strip()[-300:]
    if not said or not listed or code not in (1, 2) or len(lines[0]) < 20:
        return "unclear", f"exit code {code}: {text[:600]}"
    return "message", text


def _start(case: Case, config: Path, shop: Workshop) -> int:
    from condinst.cli.main import main

    image = sorted((shop.data / "val").glob("*"))[0]
    options = ["--cfg-options", *case.options] if case.options else []
    takes_weights = ("predictor", "test", "predict", "export")
    checkpoint = shop.checkpoint(case.base) if case.command in takes_weights else Path("none")
    words: list[object]
    if case.command == "predictor":
        return _predictor(config, checkpoint, image)
    if case.command == "report":
        words = ["report", config.parent, *options]
    elif case.command == "test":
        words = ["test", config, checkpoint, "--work-dir", "work", *options]
    elif case.command == "predict":
        words = ["predict", config, checkpoint, image, "--out", "found", "--device", "cpu"]
    elif case.command == "info":
        words = ["info", config, "--no-memory", "--size", 64, 96, *options]
    elif case.command == "browse":
        words = ["browse", config, "--out", "drawn", "--num-images", 1, *options]
    elif case.command == "export":
        words = ["export", config, checkpoint, "found.onnx"]
    elif case.command == "doctor":
        words = ["doctor", config, *options]
    else:
        words = ["train", config, "--work-dir", "work", "--seed", 0, *options]
    return main([str(word) for word in words])


def _predictor(config: Path, checkpoint: Path, image: Path) -> int:
    """In a program, a ValueError, FileNotFoundError or OSError is the one clear message."""
    from condinst import Predictor

    try:
        Predictor(config, checkpoint, device="cpu")(image)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _brief_training() -> Iterator[None]:
    """Two iterations, one validation, and the program is told to stop."""
    from mmengine.runner import loops

    theirs = loops.IterBasedTrainLoop.run_iter
    epochs = loops.EpochBasedTrainLoop.run_iter
    done = [0]

    def brief(run_iter: Callable) -> Callable:
        def run(self: Any, *args: Any) -> None:
            run_iter(self, *args)
            done[0] += 1
            if done[0] == 2:
                if self.runner.val_loop is not None:
                    self.runner.val_loop.run()
                raise _Enough

        return run

    loops.IterBasedTrainLoop.run_iter = brief(theirs)
    loops.EpochBasedTrainLoop.run_iter = brief(epochs)
    try:
        yield
    finally:
        loops.IterBasedTrainLoop.run_iter = theirs
        loops.EpochBasedTrainLoop.run_iter = epochs


def _forget() -> None:
    """Let go of what mmengine keeps by name for the whole process."""
    from mmdet.visualization import DetLocalVisualizer
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.visualization import Visualizer

    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            handler.close()
    for kind in (Visualizer, DetLocalVisualizer, MessageHub, MMLogger):
        kind._instance_dict.clear()
    logging.disable(logging.NOTSET)


def run_cases(numbers: range, shop: Workshop, command: str | None = None) -> Iterator[Outcome]:
    """Run the cases of these numbers, one after the other."""
    for number in numbers:
        yield run_case(make_case(number, shop.bases, command), shop)


def main() -> None:
    """Print one JSON line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--num", type=int, default=50)
    parser.add_argument("--command")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (9 << 30, 9 << 30))
    sys.path.insert(0, str(REPO))
    import condinst.registry  # noqa: F401

    folder = args.folder or Path(tempfile.mkdtemp(prefix="config_fuzz"))
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(args.first, args.first + args.num)
    for outcome in run_cases(numbers, Workshop(folder), args.command):
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
