"""Say what to type instead of an option that other programs have, or that stands too early."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Sequence

__all__ = [
    "before_option",
    "command_elsewhere",
    "foreign_option",
    "is_no_setting",
    "misplaced_value",
    "negative_value",
    "unknown_option",
]

_CONFIG_FIRST = "the config is written without an option: condinst {command} CONFIG"
_MODEL_FIRST = (
    "the model is written without an option: condinst {command} CONFIG CHECKPOINT, or the name of "
    "a model (condinst list)"
)
_SOURCE = "the images are written without an option, after the model: condinst predict MODEL SOURCE"
_VISIBLE = (
    "the first GPU is taken if there is one; CUDA_VISIBLE_DEVICES=1 before the command chooses "
    "another, and CUDA_VISIBLE_DEVICES= the CPU"
)
_SIZE = "the config's pipeline sets the size of the images"

_SETTINGS = "--cfg-options {key}"

# Names that programs share for one option.
_MODEL = ("--model", "--weights", "--checkpoint", "--ckpt", "--config", "--config-file", "--cfg")
_THRESHOLD = ("--conf", "--conf-thres", "--confidence", "--threshold", "--pred-score-thr")
_OUT = ("--output", "--out-dir", "--output-dir", "--save-dir", "--project")

# What other programs call an option of a command, and what to type instead.
_ELSEWHERE = {
    "train": {
        **dict.fromkeys(("--config", "--config-file", "--cfg", "--model"), _CONFIG_FIRST),
        **dict.fromkeys(
            ("--batch-size", "--batch", "--bs"),
            _SETTINGS.format(key="train_dataloader.batch_size=N"),
        ),
        **dict.fromkeys(("--device", "--gpu-id", "--gpu"), _VISIBLE),
        **dict.fromkeys(
            ("--gpus", "--num-gpus", "--nproc"),
            "torchrun --nproc_per_node N -m condinst train CONFIG",
        ),
        **dict.fromkeys(
            ("--iters", "--max-iters", "--iterations", "--epochs", "--max-epochs"),
            _SETTINGS.format(key="train_cfg.max_iters=N"),
        ),
        **dict.fromkeys(("--patience", "--early-stopping"), "--early-stop N"),
        **dict.fromkeys(("--max-time", "--minutes", "--hours"), "--time 30m, --time 2h"),
        **dict.fromkeys(
            ("--lr", "--lr0", "--learning-rate"),
            _SETTINGS.format(key="optim_wrapper.optimizer.lr=X"),
        ),
        **dict.fromkeys(
            ("--workers", "--num-workers"),
            _SETTINGS.format(key="train_dataloader.num_workers=N"),
        ),
        **dict.fromkeys(
            ("--weights", "--load-from", "--checkpoint", "--pretrained", "--ckpt"),
            _SETTINGS.format(key="load_from=FILE"),
        ),
        **dict.fromkeys(
            ("--data", "--dataset", "--data-root"),
            "condinst new NAME --data FOLDER writes a config for a dataset; --cfg-options "
            "data_root=FOLDER moves the config's",
        ),
        **dict.fromkeys((*_OUT, "--name", "--out"), "--work-dir FOLDER"),
        "--imgsz": _SIZE,
    },
    "test": {
        **dict.fromkeys(_MODEL, _MODEL_FIRST),
        **dict.fromkeys(("--data", "--dataset", "--data-path"), "--data-root FOLDER"),
        **dict.fromkeys(("--device", "--gpu-id", "--gpu"), _VISIBLE),
        **dict.fromkeys(("--output-dir", "--out-dir", "--save-dir"), "--work-dir FOLDER"),
        **dict.fromkeys(_THRESHOLD, "--show-score-thr X for --show-dir; AP needs no threshold"),
        "--imgsz": _SIZE,
    },
    "predict": {
        **dict.fromkeys(_MODEL, _MODEL_FIRST + ", then the images"),
        **dict.fromkeys(
            ("--source", "--input", "--image", "--images", "--img", "--video", "--data"), _SOURCE
        ),
        **dict.fromkeys(_THRESHOLD, "--score-thr X"),
        **dict.fromkeys((*_OUT, "--show-dir"), "--out FOLDER"),
        **dict.fromkeys(("--half", "--fp16"), "--amp"),
        **dict.fromkeys(("--save-txt", "--save-json", "--save"), "--format, see --help"),
        "--classes": 'all classes are written; in Python, results["NAME"] chooses',
        "--imgsz": _SIZE,
    },
    "export": {
        **dict.fromkeys(_MODEL, _MODEL_FIRST),
        **dict.fromkeys(("--imgsz", "--input-size", "--size"), "--fixed-size H W"),
        **dict.fromkeys(("--half",), "--fp16"),
        **dict.fromkeys((*_OUT, "--output-file"), "--out FILE"),
    },
    "new": {
        **dict.fromkeys(("--images", "--source", "--input", "--annotations"), "--data PATH"),
        **dict.fromkeys(("--name", "--config"), "the name comes first: condinst new NAME --data"),
        **dict.fromkeys(
            ("--epochs", "--iters", "--max-iters", "--batch-size", "--lr"),
            "the values are chosen from the data; change them in the config that is written",
        ),
    },
    "info": {**dict.fromkeys(_MODEL, _CONFIG_FIRST), "--imgsz": "--size HEIGHT WIDTH"},
    "browse": dict.fromkeys(("--config", "--cfg", "--config-file"), _CONFIG_FIRST),
    "report": dict.fromkeys(
        ("--work-dir", "--config"), "the work folder is written without an option"
    ),
    "quickstart": dict.fromkeys(("--epochs", "--max-iters", "--iterations"), "--iters N"),
    "make-shapes": dict.fromkeys(("--data", "--output", "--folder"), "--out FOLDER"),
}

# What other programs call a command, or what a user may guess.
_COMMANDS_ELSEWHERE = {
    **dict.fromkeys(("val", "eval", "evaluate", "validate"), "test"),
    **dict.fromkeys(("detect", "segment", "infer", "inference", "track"), "predict"),
    **dict.fromkeys(("fit", "finetune", "resume"), "train"),
    **dict.fromkeys(("init", "create"), "new"),
    **dict.fromkeys(("check", "checks"), "doctor"),
    **dict.fromkeys(("models", "zoo"), "list"),
    **dict.fromkeys(("show", "view"), "browse"),
    "version": "--version",
}

_SETTING = re.compile(r"[A-Za-z_][\w.]*=.*|[A-Z_]+(?:\.[A-Z_0-9]+)+", re.DOTALL)
_NO_VALUE = re.compile(r"argument ([\w/-]+): expected (?:one|at least one) argument")
_KEY = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_FILES = (".py", ".json", ".yaml", ".yml", ".pth", ".pt", ".ckpt", ".bin", ".safetensors")
_NOT_A_CHOICE = re.compile(r"argument (--[\w-]+): invalid choice: '(.*?)' \(")


def command_elsewhere(word: str) -> str | None:
    """Return our command for one of another program, None if it is not known."""
    return _COMMANDS_ELSEWHERE.get(word)


def foreign_option(
    command: str, parser: argparse.ArgumentParser, words: list[str]
) -> tuple[str, str] | None:
    """Find the first option that another program has; return it and what to type instead."""
    own = parser._option_string_actions
    for word in words:
        if word == "--":
            return None
        name = word.partition("=")[0].replace("_", "-")
        known = word.partition("=")[0] in own or any(option.startswith(name) for option in own)
        way = _ELSEWHERE.get(command, {}).get(name)
        if way is not None and not known:
            use = "use " if way.startswith("--") else ""
            return word.partition("=")[0], use + way.format(command=command)
    return None


def unknown_option(parser: argparse.ArgumentParser, word: str) -> str:
    """Return "; did you mean ...?" for an option that nearly exists, else an empty text.

    A setting without an option, as ultralytics and detectron2 take it, gets its option.
    """
    if _SETTING.fullmatch(word) and "--cfg-options" in parser._option_string_actions:
        return "; settings are written after --cfg-options, as in train_cfg.max_iters=1000"
    options = [option for action in parser._actions for option in action.option_strings]
    name = word.split("=")[0]
    close = difflib.get_close_matches(name, options, 1, 0.7) if word[0] == "-" else []
    parts = [option for option in options if name.lstrip("-") in option.lstrip("-").split("-")]
    if name.startswith("--") and parts:  # --frames: --max-frames
        close = [min(parts, key=len)]
    return f"; did you mean {close[0]}?" if close else ""


def misplaced_value(parser: argparse.ArgumentParser, message: str) -> str:
    """Return a hint for the error that a word is not one of the choices of an option.

    An option that takes several values takes all words up to the next option.
    """
    found = _NOT_A_CHOICE.search(message)
    if found is None:
        return ""
    option, value = found.groups()
    action = parser._option_string_actions[option]
    parts = [part.strip() for part in value.split(",")]
    if len(parts) > 1 and set(parts) <= set(map(str, action.choices or ())):
        again = " " if action.nargs == "+" else f" {option} "
        return f"; several are written {option} {again.join(parts)}"
    if action.nargs == "+" and _is_no_value(value):
        return before_option(parser, option)
    close = difflib.get_close_matches(value, list(map(str, action.choices or ())), 1)
    return f"; did you mean {close[0]}?" if close else ""


def negative_value(parser: argparse.ArgumentParser, message: str, words: Sequence[str]) -> str:
    """Say which word an option did not take as its value, because it begins with a dash.

    Returns:
        The message with that word, or the message of argparse as it is.
    """
    found = _NO_VALUE.fullmatch(message)
    if found is None:
        return message
    names = found[1].split("/")
    place = next((i for i, word in enumerate(words[:-1]) if word in names), None)
    if place is None or not words[place + 1].startswith("-"):
        return message
    option, value = words[place], words[place + 1]
    if value.partition("=")[0] in parser._option_string_actions:
        return f"argument {option}: expected a value before {value}"
    return (
        f"argument {option}: expected a value, got {value}; one that begins with a dash is written "
        f"{option}={value}"
    )


def before_option(parser: argparse.ArgumentParser, option: str) -> str:
    """Return the hint to write an argument before the option that has taken it."""
    places = [a.metavar or a.dest for a in parser._actions if not a.option_strings]
    return f"; write {' '.join(map(str, places))} before {option}" if places else ""


def is_no_setting(word: str) -> bool:
    """Tell whether a word without "=" is no key of a setting, but a file or the name of a model."""
    from condinst.model_zoo.index import list_models

    is_key = _KEY.fullmatch(word) and not word.endswith(_FILES)
    return not is_key or os.path.lexists(word) or word in list_models()


def _is_no_value(word: str) -> bool:
    """Tell whether a word looks like a file, a URL or the name of a model."""
    from condinst.model_zoo.index import list_models

    return "." in word or "/" in word or os.path.lexists(word) or word in list_models()
