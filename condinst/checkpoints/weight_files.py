"""Read weight files of PyTorch, safetensors and pickle without running code, and write them."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.fileio import LocalBackend
from torch import Tensor

from condinst.checkpoints.translation import listing
from condinst.compat.checkpoint import load_from_local
from condinst.compat.checkpoint_content import check_content
from condinst.compat.checkpoint_file import PICKLES
from condinst.compat.restricted_pickle import Limits, Unpickler, refused_name
from condinst.compat.safetensors_file import safetensors_bytes
from condinst.compat.safetensors_header import SUFFIX, begins_as_safetensors

# The first bytes of the files that torch.save writes: a zip archive, or a pickled magic number.
_TORCH_FILES = (b"PK", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
# Where the weights are: detectron2's, mmengine's, Detectron's.
_CONTAINERS = ("model", "state_dict", "blobs")


@dataclass
class WeightFile:
    """The content of a weight file.

    Attributes:
        weights: tensors by name.
        meta: mmengine's ``meta``, empty if there is none.
        other: names of the other entries, such as the optimizer's state.
    """

    weights: dict[str, Tensor]
    meta: dict[str, Any]
    other: list[str]


def read(path: Path) -> WeightFile:
    """Read a checkpoint of PyTorch, safetensors, or a pickle of numpy arrays.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, would run code, or holds no weights.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with path.open("rb") as file:
        first = file.read(16)
    is_safe = path.suffix == SUFFIX or begins_as_safetensors(first)
    is_known = is_safe or first.startswith(_TORCH_FILES)
    if first and not is_known and first[:1] not in PICKLES:
        raise ValueError(
            f"{path}: cannot be read as weights: it begins with {first[:8]!r}, expected a file of "
            "torch.save, safetensors or a pickle"
        )
    content = load_from_local(str(path), "cpu") if is_known else _unpickle(path)
    inside = next((key for key in _CONTAINERS if isinstance(content.get(key), Mapping)), None)
    weights = content if inside is None else content[inside]
    meta = {} if inside is None else content.get("meta")
    other = [] if inside is None else [str(k) for k in content if k not in (inside, "meta")]
    return WeightFile(_tensors(path, weights), meta if isinstance(meta, dict) else {}, other)


def sha256(path: str | Path) -> str:
    """Return the SHA-256 checksum of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file in the format that its name ends in, see :func:`encode`.

    Raises:
        OSError: the file cannot be written; an existing file is untouched.
    """
    write_bytes(path, encode(path.suffix, content))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole; the errors are those of :func:`write`."""
    LocalBackend().put(data, str(path))  # condinst.compat: beside, then renamed


def encode(suffix: str, content: dict[str, Any]) -> bytes:
    """Return the bytes of a weight file.

    Args:
        suffix: ending of its name. ``.safetensors`` holds the weights and ``meta``, ``.pkl`` is a
            pickle of arrays, and any other file is one of ``torch.save``.
        content: the weights as ``state_dict`` or ``model``, and ``meta``.
    """
    if suffix == SUFFIX:
        weights = content["state_dict"] if "state_dict" in content else content["model"]
        return safetensors_bytes(weights, content.get("meta", {}))
    if suffix == ".pkl":
        arrays = {name: tensor.numpy() for name, tensor in content["model"].items()}
        return pickle.dumps(content | {"model": arrays}, protocol=4)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _tensors(path: Path, weights: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Turn arrays into tensors, each with memory of its own."""
    tensors, wrong = {}, []
    for name, value in weights.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            # torch accepts neither other byte orders nor read-only memory
            value = torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="C"))
        elif isinstance(value, np.generic) and value.dtype.kind in "fiub":
            value = torch.tensor(value.item())
        if isinstance(value, Tensor) and isinstance(name, str):
            tensors[name] = value.detach().clone()
        else:
            wrong.append(f"{str(name)[:200]}: {type(value).__name__}")
    if wrong or not tensors:
        found = listing("other entries", wrong) if wrong else "it is empty"
        raise ValueError(f"{path}: expected a dict of tensors or arrays by name; {found}")
    return tensors


def _unpickle(path: Path) -> dict[str, Any]:
    """Read a pickle of arrays; Latin-1 keeps the bytes in Python 2's strings."""
    data = path.read_bytes()
    limits = Limits(len(data), members={})
    try:
        content = Unpickler(io.BytesIO(data), encoding="latin1", limits=limits).load()
        check_content(content)
    except MemoryError as error:
        raise ValueError(f"{path}: reading it takes more memory than there is") from error
    except Exception as error:  # a damaged pickle can raise anything
        refused = refused_name(error)
        if refused:
            raise ValueError(
                f"{path}: refused, because loading it would use {refused}, which no weights need "
                "and which may run code of the file's author"
            ) from error
        raise ValueError(
            f"{path}: cannot be read as weights ({type(error).__name__}: {error}); the file may be "
            "incomplete, damaged or something else"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a dict of weights, found a {type(content).__name__}")
    return content
