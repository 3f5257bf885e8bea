"""Gives hostile checkpoints to every command that reads one: FOLDER DATA CHECKPOINT quick|all.

Prints one JSON object: {"command: payload": what went wrong}, where exit code 0, or code 1 with one
line that begins with "error:", is right, and nothing but the command's own output may appear.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HELPERS = Path(__file__).resolve().parent
sys.path.insert(0, str(HELPERS))

import payloads  # noqa: E402
import torch  # noqa: E402
from commands import SMALL  # noqa: E402

from condinst.cli.main import main  # noqa: E402
from condinst.compat.checkpoint import load_from_local  # noqa: E402

QUICK = ("os.system", "objects over a buffer", "a tensor beyond its storage")
QUICK_CHANGES = (
    "config as code",
    "cfg as code",
    "cfg with a type",
    "cfg with nms",
    "an iteration that is none",
    "an empty optimizer",
    "schedulers with methods",
    "a hub of text inside",
)
CODE = f"open({payloads.MARK!r}, 'w')\n"
TYPE = f'dict(type="os.system", command="touch {payloads.MARK}")'


def changed(content: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A whole checkpoint, with one entry that a stranger has made."""
    meta, cfg = content["meta"], content["meta"]["cfg"]
    metas: dict[str, Any] = {
        "config as code": {"config": CODE},
        "config as a path": {"config": str(SMALL)},
        "config as a dict": {"config": {"gpu_ids": [0, 1]}},
        "cfg as code": {"cfg": CODE + cfg},
        "cfg with a type": {"cfg": cfg + f"\nmodel = {TYPE}\n"},
        "cfg with a step": {
            "cfg": cfg + f"\ntest_dataloader = dict(dataset=dict(pipeline=[{TYPE}]))"
        },
        "cfg with nms": {"cfg": cfg.replace("type='nms'", f"type={CODE.strip()!r}")},
        "cfg with a scope": {"cfg": cfg + "\ndefault_scope = 'antigravity'\n"},
        "an iteration that is none": {"iter": float("nan")},
        "an iteration of text": {"iter": "1"},
        "a huge iteration": {"iter": 10**30},
        "a seed of text": {"seed": "one"},
        "a huge seed": {"seed": 1 << 200},
        "no classes": {"dataset_meta": {"classes": []}},
        "many classes": {"dataset_meta": {"classes": ["a"] * 10_000}},
    }
    for key, update in metas.items():
        yield key, {**content, "meta": {**meta, **update}}
    hub = content["message_hub"]
    tops: dict[str, Any] = {
        "an optimizer of text": {"optimizer": "text"},
        "an empty optimizer": {"optimizer": {}},
        "an optimizer without groups": {"optimizer": {"state": {}, "param_groups": []}},
        "schedulers of text": {"param_schedulers": "text"},
        "schedulers with methods": {"param_schedulers": [{"step": 1, "get_last_value": 2}] * 2},
        "a hub of text": {"message_hub": "text"},
        "a hub of text inside": {"message_hub": {**hub, "runtime_info": "text"}},
        "scalars of text": {"message_hub": {**hub, "log_scalars": {"train/loss": "text"}}},
        "an average of text": {"ema_state_dict": "text"},
        "weights that are no numbers": {
            "state_dict": {
                name: torch.full_like(value, float("nan")) if value.is_floating_point() else value
                for name, value in content["state_dict"].items()
            }
        },
        "no weights": {"state_dict": {}},
    }
    for key, update in tops.items():
        yield key, {**content, **update}


def write(folder: Path, whole: Path, quick: bool) -> Iterator[tuple[str, Path]]:
    made = payloads.code() | payloads.arrays() | payloads.tensors() | payloads.size()
    for number, (key, meta) in enumerate(made.items()):
        if not quick or key in QUICK:
            for kind, writer in (("zip", payloads.write_zip), ("legacy", payloads.write_legacy)):
                if kind == "zip" or not quick:
                    path = folder / f"{kind}_{number}.pth"
                    writer(path, payloads.checkpoint(meta))
                    yield f"{key}, {kind}", path
    content = load_from_local(str(whole))
    for number, (key, value) in enumerate([*changed(content), *payloads.contents().items()]):
        if quick and key not in QUICK_CHANGES:
            continue
        path = folder / f"changed_{number}.pth"
        torch.save(copy.copy(value), path)
        yield key, path


def commands(image: Path, quick: bool) -> dict[str, Callable[[Path], list[str]]]:
    short = ["train_cfg.max_iters=81", "train_cfg.val_interval=1000"]
    first = ["train_cfg.max_iters=1", "train_cfg.val_interval=1000"]
    small, out = str(SMALL), ["--work-dir", "out"]
    found: dict[str, Callable[[Path], list[str]]] = {
        "predict": lambda p: ["predict", str(p), str(image), "--out", "out", "--no-images",
                              "--format", "json"],
        "resume": lambda p: ["train", small, *out, "--resume", str(p), "--cfg-options", *short],
        "convert": lambda p: ["convert", str(p), "--out", "out/converted.pth"],
        "test": lambda p: ["test", small, str(p), *out],
        "load_from": lambda p: ["train", small, *out, "--cfg-options", f"load_from={p}", *first],
    }  # fmt: skip
    others: dict[str, Callable[[Path], list[str]]] = {
        "predict by a config": lambda p: ["predict", small, str(p), str(image), "--out", "out",
                                          "--no-images", "--format", "json"],
        "convert back": lambda p: ["convert", str(p), "--out", "out/back.pkl", "--to", "original"],
        "export": lambda p: ["export", small, str(p), "--out", "out/model.pt2", "--format", "pt2"],
        "backbone": lambda p: ["train", small, *out, "--cfg-options", *first,
                               f"model.backbone.init_cfg={{'type':'Pretrained','checkpoint':'{p}'}}"],
    }  # fmt: skip
    return found if quick else found | others


def find_problem(words: list[str]) -> str:
    """What is wrong with how a command ended; nothing if that is right."""
    err = io.StringIO()
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            code = main(words)
    except Exception:
        return traceback.format_exc()[-1500:]
    lines = [line for line in err.getvalue().splitlines() if line.startswith("error: ")]
    if code == 0 or (code == 1 and len(lines) == 1 and len(lines[0]) < 2000):
        return ""
    return f"exit code {code}: {err.getvalue()[-500:]}"


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "out" not in path.relative_to(folder).parts
    }


def run(folder: Path, data: Path, whole: Path, quick: bool) -> dict[str, str]:
    warnings.simplefilter("ignore")
    os.environ["CONDINST_DATA_ROOT"] = f"{data}/"
    work, stock = folder / "work", folder / "stock"
    for place in (work, stock):
        place.mkdir()
    os.chdir(work)
    payloads.prepare(work)
    before, found = files(work), {}
    for name, path in write(stock, whole, quick):
        original = path.read_bytes()
        # the older format by fewer commands: all of them have one reader
        few = quick or name.endswith(", legacy")
        for command, words in commands(data / "train" / "000000.png", few).items():
            key = f"{command}: {name}"
            wrong = find_problem(words(path))
            if files(work) != before:
                wrong += " and it ran"
                before = files(work)
            if path.read_bytes() != original or not whole.exists():
                wrong += " and it changed a file"
            found[key] = wrong
            shutil.rmtree(work / "out", ignore_errors=True)
        path.unlink()
    return found


if __name__ == "__main__":
    folder, data, whole, extent = sys.argv[1:]
    print("RESULT", json.dumps(run(Path(folder), Path(data), Path(whole), extent == "quick")))
