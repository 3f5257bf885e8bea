"""Read and write checkpoints as safetensors, a format of tensors and texts that holds no code.

``safetensors`` checks that every tensor lies inside of the file and overlaps no other.

mmengine's ``meta`` is kept in two texts of the header: ``config`` is the text of the config, and
``condinst`` has the rest as JSON. Files of other programs have neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condinst.compat.safetensors_header import LENGTH, read_header

__all__ = ["read_safetensors", "safetensors_bytes"]

_META, _CONFIG = "condinst", "config"


def read_safetensors(path: Path, map_location: Any = None) -> dict[str, Any]:
    """Read a file.

    Returns:
        Tensors by name; for a file that :func:`safetensors_bytes` made, a dict with them as
        ``state_dict``, and ``meta``.

    Raises:
        Exception: the file is damaged, or is something else.
    """
    from safetensors import safe_open

    texts = _read_texts(path)
    device = "cpu" if map_location is None else map_location
    with safe_open(path, "pt") as file:
        # a copy: the reader's tensors change if the file is written to
        weights = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    if isinstance(device, str | torch.device):
        weights = {name: tensor.to(device) for name, tensor in weights.items()}
    if _META not in texts:
        return weights
    meta = json.loads(texts[_META])
    if not isinstance(meta, dict):
        raise ValueError(f"its text {_META} is a {type(meta).__name__}, expected a dict")
    if _CONFIG in texts:
        meta["cfg"] = texts[_CONFIG]
    return {"meta": meta, "state_dict": weights}


def _read_texts(path: Path) -> dict[str, str]:
    """Return the texts of the header, after checking its size and that no name occurs twice."""
    texts = read_header(path).get("__metadata__", {})
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("its __metadata__ is something else than texts by name")
    return texts


def safetensors_bytes(weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bytes:
    """Return the content of a file.

    Args:
        weights: tensors by name.
        meta: plain values; ``cfg`` is the text of a config. Tuples become lists.

    Raises:
        TypeError: ``meta`` has something else than plain values.
    """
    from safetensors.torch import save

    texts = {"format": "pt"}
    if meta:
        others = {key: value for key, value in meta.items() if key != "cfg"}
        texts[_META] = json.dumps(others, sort_keys=True)
        if "cfg" in meta:
            texts[_CONFIG] = meta["cfg"]
    # copies: the format has no tensors that share memory
    owned = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    return _ordered(save(owned, texts), texts)


def _ordered(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Return a file with its texts in order: safetensors shuffles them, and so the checksum."""
    start = LENGTH.size
    (size,) = LENGTH.unpack(data[:start])
    header = json.loads(data[start : start + size]) | {"__metadata__": dict(texts)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors are aligned
    return LENGTH.pack(len(text)) + text + data[start + size :]
