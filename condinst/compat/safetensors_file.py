"""Read and write checkpoints as safetensors, a format of tensors and texts that holds no code.

``safetensors`` checks that every tensor lies inside of the file and overlaps no other. Its header
is JSON of up to 100 MB, so the size is checked first, and names that occur twice are refused.

mmengine's ``meta`` is kept in two texts of the header: ``config`` is the text of the config, and
``condinst`` has the rest as JSON. Files of other programs have neither.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["SUFFIX", "begins_as_safetensors", "read_safetensors", "safetensors_bytes"]

SUFFIX = ".safetensors"
_LENGTH = struct.Struct("<Q")
_MAX_HEADER = 16 << 20  # bytes; a tensor takes about 100
_META, _CONFIG = "condinst", "config"


def begins_as_safetensors(start: bytes) -> bool:
    """Tell whether a file with these first bytes (nine or more) can be safetensors."""
    return len(start) > _LENGTH.size and start[_LENGTH.size : _LENGTH.size + 1] == b"{"


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
    with path.open("rb") as file:
        start = file.read(_LENGTH.size + 1)
        if not begins_as_safetensors(start):
            raise ValueError(f"it begins with {start!r}, expected the header of safetensors")
        (size,) = _LENGTH.unpack(start[: _LENGTH.size])
        if size > _MAX_HEADER:
            raise ValueError(f"its header takes {size:,} bytes, expected at most {_MAX_HEADER:,}")
        file.seek(_LENGTH.size)
        header = json.loads(file.read(size), object_pairs_hook=_unique)
    texts = header.get("__metadata__", {})
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("its __metadata__ is something else than texts by name")
    return texts


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in its header")
    return found


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
    start = _LENGTH.size
    (size,) = _LENGTH.unpack(data[:start])
    header = json.loads(data[start : start + size]) | {"__metadata__": dict(texts)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors are aligned
    return _LENGTH.pack(len(text)) + text + data[start + size :]
