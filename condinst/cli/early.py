"""Check the words of a command line before PyTorch is imported, which takes seconds."""

from __future__ import annotations

import ast
import ctypes
import math
import os
import re
import sys
import warnings
from pathlib import Path

from condinst.compat.checkpoint_file import TRUST, check_ends
from condinst.inference.options import device_hint
from condinst.utils.files import check_regular, check_replaceable, check_writable
from condinst.utils.hub import PREFIX as HUB
from condinst.utils.hub import parse_hub_address

__all__ = [
    "CHECKPOINTS",
    "check_checkpoint",
    "check_config",
    "check_content",
    "check_device",
    "check_exists",
    "check_file",
    "check_folder",
    "check_least",
    "check_model_words",
    "check_out_file",
    "check_range",
    "is_checkpoint",
]

CHECKPOINTS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
_MAX_BYTES = 1_000_000  # of a config; ours have 10,000
_CONFIGS = (".py", ".json", ".yaml", ".yml")
# a zip archive, as torch writes now, and a pickle of protocol 2, as it wrote before 1.6
_MAGIC = (b"PK\x03\x04", b"\x80\x02")
_DEVICE = re.compile(r"(?:cpu|cuda|xpu|mps|npu|mlu|musa|hpu|meta)(?::\d+)?")


def is_checkpoint(word: str) -> bool:
    """Tell whether a word is a checkpoint, by its form, its ending or the file's first bytes."""
    if word.startswith(HUB) or word.endswith(CHECKPOINTS):
        return True
    return not word.endswith(_CONFIGS) and _begins(Path(word), _MAGIC)


def check_config(word: str, more: str = "a config comes before its checkpoint") -> None:
    """Check that a word is a config file or the name of a model.

    Args:
        word: as the user wrote it.
        more: what to do if the word is a checkpoint.

    Raises:
        FileNotFoundError: the word looks like a path, and there is no such file.
        ValueError: it is something else.
    """
    from condinst.images.sources import IMAGE_SUFFIXES
    from condinst.model_zoo import list_models, resolve_config

    path = Path(word)
    if _is_dir(path):
        hint = _in_folder(path)
        if hint or word not in list_models():  # such as a folder nuclei with images
            raise ValueError(f"config {word}: is a folder, expected a config file{hint}")
    hub = word.startswith(HUB)
    if is_checkpoint(word) and (hub or path.is_file() or word.endswith(CHECKPOINTS)):
        if not hub and not path.is_file():
            raise FileNotFoundError(f"config {word} is not a file")
        raise ValueError(f"{word}: this is a checkpoint, expected a config (.py); {more}")
    file = Path(resolve_config(word))
    if file.suffix.lower() in IMAGE_SUFFIXES:
        raise ValueError(f"{word}: this is an image, expected a model, which is written first")
    if file.suffix not in _CONFIGS:
        raise ValueError(f"config {word}: expected a file that ends in {', '.join(_CONFIGS)}")
    if file.suffix == ".py":
        _check_syntax(word, file)


def _in_folder(folder: Path) -> str:
    """Return a hint at the config of a folder, as ``condinst new`` and training name it."""
    config = folder / f"{folder.absolute().name}.py"
    return f"; did you mean {config}?" if os.path.isfile(config) else ""


def _check_syntax(word: str, file: Path) -> None:
    """Refuse a config with a SyntaxError; other mistakes are found when the config is read."""
    try:
        text = file.read_text(encoding="utf-8") if file.stat().st_size < _MAX_BYTES else ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        reason = f"SyntaxError: {error}".replace("(<unknown>, line", "(line")
        raise ValueError(f"config {word}: {reason}") from None
    except (OSError, ValueError, RecursionError, MemoryError):
        pass


def check_checkpoint(word: str, what: str = "checkpoint") -> None:
    """Check that a word is a checkpoint: a file, a URL, or the name of a model with weights.

    Args:
        word: as the user wrote it.
        what: the argument or option, for the message.

    Raises:
        FileNotFoundError: the word looks like a path, and there is no such file.
        ValueError: it is something else.
    """
    from condinst.model_zoo.index import get, list_models, unknown
    from condinst.model_zoo.weights import check_published

    if word.startswith(HUB):
        parse_hub_address(word)
        return
    path = Path(word)
    if "://" in word or (":" in word and not path.drive):  # a URL, or a prefix of mmengine's
        return
    if _is_dir(path):
        last = _last_checkpoint(path)
        hint = f"; did you mean {last}?" if last else ""
        raise ValueError(f"{what} {word}: is a folder, expected a checkpoint file{hint}")
    if path.is_file():
        if path.suffix in _CONFIGS:
            raise ValueError(
                f"{what} {word}: this is a config, expected a checkpoint (.pth); a config comes "
                "before its checkpoint"
            )
        check_file(what, path)
        check_content(path)
        return
    if word in list_models():
        check_published(get(word))
        return
    is_there = os.path.lexists(word)
    if is_there:  # a link, a pipe or a device
        check_exists(what, word)
    if is_there or path.suffix or len(path.parts) > 1:
        raise FileNotFoundError(f"{what} {word} is not a file")
    raise ValueError(unknown(word, "a checkpoint file, a URL or a model's name"))


def check_content(path: Path, beginnings: tuple[bytes, ...] = ()) -> None:
    """Check that a file is a checkpoint by its first bytes and its end.

    Args:
        path: of the file, which is there.
        beginnings: first bytes of other files that are read, too.

    Raises:
        ValueError: the file is something else, or was cut.
    """
    if os.environ.get(TRUST) or _begins(path, beginnings):
        return
    try:
        check_ends(path)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{path}: cannot be read as a checkpoint ({error}); the file may be incomplete, "
            "damaged or something else"
        ) from None


def _last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint that a training in this folder has written last."""
    try:
        name = Path((folder / "last_checkpoint").read_text(encoding="utf-8").strip()).name
        return folder / name if os.path.isfile(folder / name) else None
    except (OSError, ValueError):
        return None


def check_model_words(config: str, checkpoint: str | None) -> None:
    """Check a config and its checkpoint, or a word that stands for both.

    Args:
        config: a config, the name of a model, or a checkpoint that holds its config.
        checkpoint: None if there is none.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: a word is something else.
    """
    from condinst.model_zoo.index import get, list_models
    from condinst.model_zoo.weights import check_published

    if checkpoint is None and is_checkpoint(config):
        check_checkpoint(config)
        return
    if checkpoint is None and _is_dir(Path(config)) and (last := _last_checkpoint(Path(config))):
        raise ValueError(f"{config}: is a folder, expected a model; did you mean {last}?")
    check_config(config)
    if checkpoint is not None:
        check_checkpoint(checkpoint)
    elif config not in list_models():
        raise ValueError(
            f"{config}: expected a checkpoint after a config file; only the name of a model "
            "implies one"
        )
    else:
        check_published(get(config))


def check_file(what: str, path: str | Path) -> None:
    """Check that a path is a file with content.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the path is a folder, a device or an empty file.
    """
    try:
        check_regular(path)
        if Path(path).stat().st_size == 0:
            raise ValueError("is empty")
    except FileNotFoundError:
        raise FileNotFoundError(f"{what} {path}: no such file") from None
    except ValueError as error:
        raise ValueError(f"{what} {path}: {error}") from None
    except OSError as error:
        raise ValueError(f"{what} {path}: {error.strerror}") from None


def check_folder(what: str, path: str | Path) -> None:
    """Check that a path is a folder.

    Raises:
        FileNotFoundError: there is nothing at this path.
        ValueError: it is something else.
    """
    check_exists(what, path, "folder")
    if not _is_dir(Path(path)):
        raise ValueError(f"{what} {path}: is a file, expected a folder")


def check_exists(what: str, path: str | Path, kind: str = "file or folder") -> None:
    """Check that there is something at a path.

    Args:
        what: the argument or option, for the message.
        path: as the user wrote it.
        kind: what is expected there, for the message.

    Raises:
        FileNotFoundError: nothing is there, or a link that leads nowhere.
        ValueError: the path is a link that leads to itself, or an impossible name.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{what} {path}: no such {kind}") from None
    except OSError as error:
        raise ValueError(f"{what} {path}: {error.strerror}") from None
    except ValueError as error:  # a zero byte
        raise ValueError(f"{what} {path}: {error}") from None


def check_out_file(what: str, path: str | Path) -> None:
    """Check that a file can be written: its folder exists or can be made.

    Raises:
        ValueError: the file cannot be written.
    """
    if _is_dir(Path(path)):
        raise ValueError(f"{what} {path}: is a folder, expected the name of a file")
    check_writable(what, Path(path).parent)
    check_replaceable(path)


def check_device(word: str | None, option: str = "--device") -> None:
    """Check a device's name and its driver; whether the machine has the device needs PyTorch.

    Raises:
        ValueError: no device has such a name, or there is no driver for it.
    """
    if word is None or _DEVICE.fullmatch(word):
        _check_driver(word, option)
        return
    raise ValueError(f"{option} {word}: expected cpu, cuda or cuda:N{device_hint(word)}")


def _check_driver(word: str | None, option: str) -> None:
    """Refuse a GPU where nothing is installed that could drive one; PyTorch finds the rest."""
    kind = (word or "").partition(":")[0]
    if kind == "mps" and sys.platform != "darwin":
        raise ValueError(f"{option} {word}: exists on macOS only; {option} cpu runs anywhere")
    if kind != "cuda" or not sys.platform.startswith("linux") or os.path.exists("/dev/kfd"):
        return  # AMD's GPUs have the name cuda, too
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise ValueError(
            f"{option} {word}: no driver of an NVIDIA GPU is installed here; {option} cpu runs "
            "anywhere"
        ) from None


def check_range(option: str, value: float | None, low: float = 0.0, high: float = 1.0) -> None:
    """Check that a number lies in a range, both ends included.

    Raises:
        ValueError: the number lies outside the range.
    """
    if value is None or low <= value <= high:
        return
    percent = f"; did you mean {value / 100:g}?" if high == 1 and 1 < value <= 100 else ""
    raise ValueError(f"{option} {value:g}: expected a number from {low:g} to {high:g}{percent}")


def check_least(option: str, value: float | None, least: float = 1) -> None:
    """Check that a number is not too small.

    Raises:
        ValueError: the number is too small, or not a number.
    """
    if value is not None and not (math.isfinite(value) and value >= least):
        raise ValueError(f"{option} {value:g}: expected {least:g} or more")


def _begins(path: Path, beginnings: tuple[bytes, ...]) -> bool:
    try:
        check_regular(path)
        with path.open("rb") as file:
            return file.read(4).startswith(beginnings)
    except (OSError, ValueError):
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # an impossible name
        return False
