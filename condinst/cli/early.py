"""Check the words of a command line before PyTorch is imported, which takes seconds."""

from __future__ import annotations

import ast
import os
import warnings
from pathlib import Path

from condinst.compat.checkpoint_file import TRUST, check_ends
from condinst.model_zoo.misplaced import (
    CHECKPOINTS,
    CONFIGS,
    is_folder,
    refuse_checkpoint,
    refuse_config,
    refuse_exported,
    refuse_folder_of_checkpoints,
    refuse_folder_of_config,
    refuse_folder_of_model,
    refuse_image,
)
from condinst.utils.files import check_regular, check_replaceable, check_writable
from condinst.utils.hub import PREFIX as HUB
from condinst.utils.hub import parse_hub_address
from condinst.utils.near_files import did_you_mean

__all__ = [
    "CHECKPOINTS",
    "check_checkpoint",
    "check_config",
    "check_content",
    "check_exists",
    "check_file",
    "check_folder",
    "check_images",
    "check_model_words",
    "check_out_file",
    "is_checkpoint",
]

_MAX_BYTES = 1_000_000  # of a config; ours have 10,000
# a zip archive, as torch writes now, and a pickle of protocol 2, as it wrote before 1.6
_MAGIC = (b"PK\x03\x04", b"\x80\x02")


def is_checkpoint(word: str) -> bool:
    """Tell whether a word is a checkpoint, by its form, its ending or the file's first bytes."""
    if word.startswith(HUB) or word.endswith(CHECKPOINTS):
        return True
    return not word.endswith(CONFIGS) and _begins(Path(word), _MAGIC)


def check_config(word: str, more: str = "a config comes before its checkpoint") -> None:
    """Check that a word is a config file or the name of a model.

    Args:
        word: as the user wrote it.
        more: what to do if the word is a checkpoint.

    Raises:
        FileNotFoundError: the word looks like a path, and there is no such file.
        ValueError: it is something else.
    """
    from condinst.model_zoo import resolve_config

    path = Path(word)
    refuse_folder_of_config(word)
    hub = word.startswith(HUB)
    if is_checkpoint(word) and (hub or path.is_file() or word.endswith(CHECKPOINTS)):
        if not hub and not path.is_file():
            raise FileNotFoundError(f"config {word} is not a file")
        refuse_checkpoint(word, more)
    file = Path(resolve_config(word))
    refuse_image(word)
    refuse_exported(word)
    if file.suffix not in CONFIGS:
        raise ValueError(f"config {word}: expected a file that ends in {', '.join(CONFIGS)}")
    if file.suffix == ".py":
        _check_syntax(word, file)


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
    refuse_folder_of_checkpoints(what, word)
    if path.is_file():
        refuse_config(what, word)
        refuse_exported(word)
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
        raise FileNotFoundError(f"{what} {word} is not a file{did_you_mean(word, 'file')}")
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
    if checkpoint is None:
        refuse_folder_of_model(config)
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
        hint = did_you_mean(path, "file")
        raise FileNotFoundError(f"{what} {path}: no such file{hint}") from None
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
    if not is_folder(path):
        raise ValueError(f"{what} {path}: is a file, expected a folder")


def check_images(what: str, path: str | Path) -> None:
    """Check that a path is a folder with image files.

    Raises:
        FileNotFoundError: there is nothing at this path.
        ValueError: it is something else, or has no images.
    """
    from condinst.images.sources import list_folder

    check_folder(what, path)
    try:
        list_folder(Path(path))
    except ValueError:
        raise ValueError(f"{what} {path}: has no images, expected a folder of images") from None


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
        hint = did_you_mean(path, kind if kind == "folder" else "any")
        raise FileNotFoundError(f"{what} {path}: no such {kind}{hint}") from None
    except OSError as error:
        raise ValueError(f"{what} {path}: {error.strerror}") from None
    except ValueError as error:  # a zero byte
        raise ValueError(f"{what} {path}: {error}") from None


def check_out_file(what: str, path: str | Path) -> None:
    """Check that a file can be written: its folder exists or can be made.

    Raises:
        ValueError: the file cannot be written.
    """
    if is_folder(path):
        raise ValueError(f"{what} {path}: is a folder, expected the name of a file")
    check_writable(what, Path(path).parent)
    check_replaceable(path)


def _begins(path: Path, beginnings: tuple[bytes, ...]) -> bool:
    try:
        check_regular(path)
        with path.open("rb") as file:
            return file.read(4).startswith(beginnings)
    except (OSError, ValueError):
        return False
