"""Say what stands in the place of a model, of its config or of its checkpoint.

The commands and :class:`condinst.Predictor` have these words in common. The module needs neither
PyTorch nor mmdet.
"""

from __future__ import annotations

import os
from pathlib import Path

from condinst.model_zoo.index import list_models

__all__ = [
    "CHECKPOINTS",
    "CONFIGS",
    "check_places",
    "is_folder",
    "refuse_checkpoint",
    "refuse_config",
    "refuse_exported",
    "refuse_folder_of_checkpoints",
    "refuse_folder_of_config",
    "refuse_folder_of_model",
    "refuse_image",
]

CHECKPOINTS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
CONFIGS = (".py", ".json", ".yaml", ".yml")
_EXPORTED = (".onnx", ".xml", ".pt2")


def check_places(config: str | None, checkpoint: str | None) -> None:
    """Check what a config and its checkpoint are, without reading them.

    Args:
        config: a config, the name of a model, or a checkpoint alone; None if there is none.
        checkpoint: None if there is none.

    Raises:
        ValueError: a word is a folder or an image, or the two are swapped.
    """
    if config is not None:
        if checkpoint is None:
            refuse_folder_of_model(config)
        refuse_folder_of_config(config)
        if checkpoint is not None and config.endswith(CHECKPOINTS) and os.path.isfile(config):
            refuse_checkpoint(config)
        refuse_image(config)
        refuse_exported(config)
    if checkpoint is not None:
        refuse_exported(checkpoint)
        refuse_folder_of_checkpoints("checkpoint", checkpoint)
        refuse_config("checkpoint", checkpoint)


def refuse_folder_of_model(word: str) -> None:
    """Refuse the folder of a training, and name its last checkpoint."""
    if is_folder(word) and (last := _last_checkpoint(Path(word))):
        raise ValueError(f"{word}: is a folder, expected a model; did you mean {last}?")


def refuse_folder_of_config(word: str) -> None:
    """Refuse a folder for a config, unless it has the name of a model and no config of its own."""
    if not is_folder(word):
        return
    config = Path(word) / f"{Path(word).absolute().name}.py"  # as condinst new and training name it
    hint = f"; did you mean {config}?" if os.path.isfile(config) else ""
    if hint or word not in list_models():  # such as a folder nuclei with images
        raise ValueError(f"config {word}: is a folder, expected a config file{hint}")


def refuse_folder_of_checkpoints(what: str, word: str) -> None:
    """Refuse a folder for a checkpoint, and name the last one that a training wrote there."""
    if is_folder(word) and word not in list_models():
        last = _last_checkpoint(Path(word))
        hint = f"; did you mean {last}?" if last else ""
        raise ValueError(f"{what} {word}: is a folder, expected a checkpoint file{hint}")


def refuse_checkpoint(word: str, more: str = "a config comes before its checkpoint") -> None:
    """Refuse a checkpoint for a config."""
    raise ValueError(f"{word}: this is a checkpoint, expected a config (.py); {more}")


def refuse_config(what: str, word: str) -> None:
    """Refuse a config for a checkpoint."""
    if word.endswith(CONFIGS) and os.path.isfile(word):
        raise ValueError(
            f"{what} {word}: this is a config, expected a checkpoint (.pth); a config comes "
            "before its checkpoint"
        )


def refuse_image(word: str) -> None:
    """Refuse an image for a config."""
    from condinst.images.sources import IMAGE_SUFFIXES  # imports numpy

    if Path(word).suffix.lower() in IMAGE_SUFFIXES and os.path.isfile(word):
        raise ValueError(f"{word}: this is an image, expected a model, which is written first")


def refuse_exported(word: str) -> None:
    """Refuse what ``condinst export`` writes, for a config or a checkpoint."""
    if word.lower().endswith(_EXPORTED) and os.path.isfile(word):
        raise ValueError(
            f"{word}: this is an exported file, expected a config or a checkpoint; condinst demo "
            "shows it, and the predictors of condinst.deploy run it (docs/deploy.md)"
        )


def is_folder(word: str | Path) -> bool:
    """Tell whether a word is a folder, also where it cannot be a path."""
    try:
        return os.path.isdir(word)
    except ValueError:  # a zero byte, before Python 3.13
        return False


def _last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint that a training in this folder has written last."""
    try:
        name = Path((folder / "last_checkpoint").read_text(encoding="utf-8").strip()).name
        return folder / name if os.path.isfile(folder / name) else None
    except (OSError, ValueError):
        return None
