"""Train and test in processes of their own, and keep each result in a file at once.

The file of results is the memory of a benchmark that runs for days on machines that do not last: a
run whose result is in it is not repeated. What a run leaves in the work folder is used again while
the folder exists.
"""

from __future__ import annotations

import argparse
import copy
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from condinst.cli.common import add_cfg_options
from condinst.utils.environment import machine
from condinst.utils.files import write_whole
from condinst.version import __version__

__all__ = [
    "FAST",
    "NEVER",
    "ROOT",
    "Results",
    "add_arguments",
    "add_weights",
    "check_weights",
    "environment",
    "leave_out_validation",
    "measure",
    "option_texts",
    "run_command",
    "seconds_per_iteration",
    "set_length",
    "train",
    "train_once",
    "work_through",
]

ROOT = Path(__file__).parents[1]
FAST = ("--amp", "bfloat16", "--channels-last")  # as docs/examples.md trains
NEVER = 10**9
_PROBES = (10, 40)  # iterations of two trainings that measure the time of one
_WEIGHTS = Path("weights/mobilenetv2_100.pth")


class Results:
    """A JSON file with lists of records, which is written whole after each new one.

    Args:
        path: the file; it is made with the first record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read()  # a broken file is an error before anything runs

    def read(self) -> dict[str, list[dict[str, Any]]]:
        """Return the lists by name.

        Raises:
            ValueError: the file is not such a file.
        """
        if not self.path.is_file():
            return {}
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.path}: expected JSON: {error}") from None
        if not isinstance(content, dict) or not all(isinstance(x, list) for x in content.values()):
            raise ValueError(f"{self.path}: expected an object of lists, as this benchmark writes")
        return content

    def find(self, name: str, **key: Any) -> list[dict[str, Any]]:
        """Return the records of a list that have these values."""
        records = self.read().get(name, [])
        return [r for r in records if all(r.get(k, ...) == v for k, v in key.items())]

    def add(self, name: str, record: Mapping[str, Any]) -> None:
        """Add a record to a list; the file is read again, as another process may have added one."""
        content = self.read()
        content.setdefault(name, []).append(dict(record))
        lists = ",\n".join(
            f" {json.dumps(key)}: [\n"
            + ",\n".join(f"  {json.dumps(one)}" for one in content[key])
            + "\n ]"
            for key in content
        )
        write_whole(self.path, f"{{\n{lists}\n}}\n")

    def commit(self, message: str) -> None:
        """Commit the file alone; if git refuses, say so and go on: the file itself is written."""
        folder = self.path.resolve().parent
        for words in (["add", self.path.name], ["commit", "-qm", message, "--", self.path.name]):
            done = subprocess.run(
                ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"git {words[0]}: {done.stderr.strip() or done.stdout.strip()}", flush=True)
                return


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that the benchmarks with such a file share."""
    parser.add_argument("--results", type=Path, required=True, help="JSON file of the results")
    parser.add_argument("--work", type=Path, help="folder of the runs")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--weights",
        type=Path,
        default=_WEIGHTS,
        help=f"ImageNet weights (examples/imagenet_weights.py; default {_WEIGHTS})",
    )
    add_cfg_options(parser)
    parser.add_argument(
        "--minutes", type=float, help="begin no run after so many minutes; default: no limit"
    )
    parser.add_argument(
        "--commit", action="store_true", help="commit the file of results after each run"
    )
    parser.add_argument("--plan", action="store_true", help="list the runs that are missing")
    parser.add_argument(
        "--report", action="store_true", help="write table and chart beside it, and run nothing"
    )


def option_texts(args: argparse.Namespace) -> list[str]:
    """Return the ``--cfg-options`` as a record holds them."""
    return sorted(f"{key}={value}" for key, value in args.cfg_options.items())


def check_weights(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse arguments that would fail after the first training has begun."""
    if args.report or args.plan:
        return
    if args.work is None:
        parser.error("--work: expected the folder of the runs")
    if not args.weights.is_file():
        parser.error(f"--weights {args.weights}: there is no such file")


def work_through(jobs: Sequence[Any], run: Callable[[Any], None], minutes: float | None) -> None:
    """Run jobs one after another, and begin none after so many minutes."""
    start = time.monotonic()
    for number, job in enumerate(jobs):
        if minutes is not None and time.monotonic() - start > 60 * minutes:
            print(f"{len(jobs) - number} runs are left for another time", flush=True)
            return
        print(f"== {job} ({number + 1} of {len(jobs)})", flush=True)
        run(job)


def add_weights(cfg: Config, weights: Path) -> None:
    """Let a timm backbone start from a file, if the config has such a backbone that needs one."""
    if cfg.model.backbone.get("checkpoint_path"):
        cfg.model.backbone.checkpoint_path = str(weights.resolve())


def set_length(cfg: Config, iterations: int) -> None:
    """Set the number of iterations; validations are left out, and the last weights are saved.

    Args:
        cfg: a config of ``schedule_small``: a warm-up and a decay.
        iterations: the warm-up takes a quarter of them at most.
    """
    cfg.max_iters = cfg.train_cfg.max_iters = iterations
    cfg.train_cfg.val_interval = NEVER
    warmup, decay = cfg.param_scheduler
    warmup.end = decay.begin = min(warmup.end, iterations // 4)
    decay.end = iterations
    cfg.default_hooks.checkpoint = dict(
        type="CheckpointHook", by_epoch=False, interval=NEVER, save_last=True
    )


def leave_out_validation(cfg: Config) -> Config:
    """Return a copy whose training neither validates at its end nor writes a report."""
    cfg = copy.deepcopy(cfg)
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    reports = ("CurveHook", "ReportHook")
    cfg.custom_hooks = [hook for hook in cfg.custom_hooks if hook.type not in reports]
    return cfg


def train(cfg: Config, folder: Path, *words: Any) -> float:
    """Train, and return the CPU seconds of it and of its data workers.

    Args:
        cfg: the config.
        folder: the work folder; what an interrupted run left there is removed.
        *words: options of ``condinst train``.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "benchmark.py"
    cfg.dump(path)
    run_command([sys.executable, "-m", "condinst", "train", path, "--work-dir", folder, *words])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train_once(cfg: Config, place: Path, key: Mapping[str, Any], *words: Any) -> dict[str, Any]:
    """Train without validation, unless the folder has this very training already.

    Args:
        cfg: the config.
        place: the folder of the run.
        key: what tells this training from others.
        *words: options of ``condinst train``.

    Returns:
        ``cpu_minutes``, ``minutes`` and ``checkpoint``, a path.
    """
    done = place / "train.json"
    about = json.loads(done.read_text()) if done.is_file() else {}
    if about.get("key") != dict(key):
        start = time.perf_counter()
        cpu = train(leave_out_validation(cfg), place / "train", *words) / 60
        minutes = (time.perf_counter() - start) / 60
        about = dict(key=dict(key), cpu_minutes=round(cpu, 2), minutes=round(minutes, 2))
        write_whole(done, json.dumps(about))
    name = Path((place / "train" / "last_checkpoint").read_text().strip()).name
    return {
        "cpu_minutes": about["cpu_minutes"],
        "minutes": about["minutes"],
        "checkpoint": place / "train" / name,
    }


def measure(cfg: Config, checkpoint: Path, folder: Path) -> dict[str, float]:
    """Measure a checkpoint on the validation images; return ``mask_ap`` and ``box_ap``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cfg.test_dataloader = cfg.val_dataloader
    metrics = cfg.val_evaluator if isinstance(cfg.val_evaluator, list) else [cfg.val_evaluator]
    cfg.test_evaluator = next(node for node in metrics if "metric" in node)
    path = folder / "benchmark.py"
    cfg.dump(path)
    words = [path, checkpoint, "--work-dir", folder / "test", "--channels-last", "--fold-norms"]
    run_command([sys.executable, "-m", "condinst", "test", *words])
    (written,) = (folder / "test").glob("*/*.json")
    found = json.loads(written.read_text())
    return {"mask_ap": found["coco/segm_mAP"], "box_ap": found["coco/bbox_mAP"]}


def seconds_per_iteration(train_for: Callable[[int], float]) -> float:
    """Measure the CPU seconds of an iteration.

    Args:
        train_for: trains so many iterations, and returns the CPU seconds of it.
    """
    # the difference leaves out imports and the start of data workers
    short, long = (train_for(number) for number in _PROBES)
    return (long - short) / (_PROBES[1] - _PROBES[0])


def environment() -> dict[str, Any]:
    """Return date, processor, cores, and the versions of torch and of this project."""
    about = machine("cpu")
    commit = _git("rev-parse", "--short", "HEAD")
    # not the file of results itself
    if commit and _git("status", "--porcelain", "--", "condinst", "configs", "benchmarks"):
        commit += "-dirty"
    kept = {name: about[name] for name in ("date", "processor", "cores", "threads", "torch")}
    return kept | {"condinst": __version__, "commit": commit or None}


def _git(*words: str) -> str:
    """Return what git says of this checkout, "" if it is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def run_command(words: Sequence[Any]) -> None:
    """Print a command and run it.

    Raises:
        subprocess.CalledProcessError: it has failed.
    """
    texts = [str(word) for word in words]
    print("$", " ".join(texts), flush=True)
    subprocess.run(texts, check=True)
