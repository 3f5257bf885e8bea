"""Read the header of a safetensors file, which names its tensors; needs no PyTorch.

The header is JSON of up to 100 MB, so the size is checked first, and names that occur twice are
refused.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

__all__ = ["LENGTH", "SUFFIX", "begins_as_safetensors", "check_length", "read_header"]

SUFFIX = ".safetensors"
LENGTH = struct.Struct("<Q")
_MAX_HEADER = 16 << 20  # bytes; a tensor takes about 100


def begins_as_safetensors(start: bytes) -> bool:
    """Tell whether a file with these first bytes (nine or more) can be safetensors."""
    return len(start) > LENGTH.size and start[LENGTH.size : LENGTH.size + 1] == b"{"


def read_header(path: Path) -> dict[str, Any]:
    """Return the header.

    Raises:
        ValueError: the file begins with something else, or its header is too large or damaged.
    """
    with path.open("rb") as file:
        start = file.read(LENGTH.size + 1)
        if not begins_as_safetensors(start):
            raise ValueError(f"it begins with {start!r}, expected the header of safetensors")
        (size,) = LENGTH.unpack(start[: LENGTH.size])
        if size > _MAX_HEADER:
            raise ValueError(f"its header takes {size:,} bytes, expected at most {_MAX_HEADER:,}")
        file.seek(LENGTH.size)
        header: dict[str, Any] = json.loads(file.read(size), object_pairs_hook=_unique)
    return header


def check_length(path: Path) -> None:
    """Check that the file is as long as its header says: one that was cut is shorter.

    Raises:
        ValueError: see :func:`read_header`, or the file is shorter.
    """
    tensors = [entry for name, entry in read_header(path).items() if name != "__metadata__"]
    try:
        end = max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
    except (IndexError, KeyError, TypeError):
        return  # safetensors names the entry
    with path.open("rb") as file:
        (size,) = LENGTH.unpack(file.read(LENGTH.size))
    expected, found = LENGTH.size + size + end, path.stat().st_size
    if found < expected:
        raise ValueError(f"it has {found:,} bytes, its header says {expected:,}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in its header")
    return found
