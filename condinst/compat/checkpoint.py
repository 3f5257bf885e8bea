"""Checkpoints are read without running the code that a pickle may carry, and written whole.

Upstream faults (mmengine 0.10.7):

- It calls ``torch.load`` without saying how. Since torch 2.6 that means weights only, and its own
  checkpoints are refused, because their message hub holds ``HistoryBuffer`` and numpy arrays.
- Files from a URL go through ``torch.hub``, which still runs whatever the pickle says.
- A checkpoint is written in place, so that a full disk or a kill leaves half a file.

Delete when mmengine passes ``weights_only`` with an allow-list of its own, and replaces files.

What is allowed here builds numbers, arrays and mmengine's history buffers; nothing of it can
import or call anything else. One file at a time can be trusted beyond that, see ``TRUST``.
"""

import os
import pickle
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import digit_version

from condinst.compat import restricted_pickle

TRUST = "CONDINST_TRUST_CHECKPOINT"
"""Environment variable: the path or URL of the one file that is loaded as an ordinary pickle."""

_TORCH_HAS_ALLOW_LIST = digit_version(torch.__version__) >= digit_version("2.6")
_NUMBER_CODES = "?bhilqBHILQefdgFDGSU"
_ATTRIBUTES = {
    HistoryBuffer: ("current", "max", "mean", "min"),
    OneCycleParamScheduler: ("_annealing_cos", "_annealing_linear"),
}
"""Functions that these classes keep as members, which a pickle reads from them by name."""


def apply(upstream: str) -> None:
    """Allow what checkpoints hold for every ``torch.load``, and replace the readers."""
    if _TORCH_HAS_ALLOW_LIST:
        torch.serialization.add_safe_globals([*_allowed()])
    else:
        restricted_pickle.allowed.update({name: value for value, name in _allowed()})
    loader = mmengine_checkpoint.CheckpointLoader
    loader.register_scheme(prefixes="", loader=load_from_local, force=True)
    mmengine_checkpoint.load_url = load_url


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read the checkpoint at a path; see :func:`_read` for the errors."""
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{filename}: no such checkpoint file")
    return _read(path, str(filename), map_location)


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
) -> dict[str, Any]:
    """Read the checkpoint at a URL, by way of torch.hub's folder of downloads.

    Raises:
        OSError: when it is not there yet and cannot be downloaded.
    """
    folder = Path(model_dir or Path(torch.hub.get_dir(), "checkpoints"))
    path = folder / (file_name or Path(urlparse(url).path).name)
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        digest = torch.hub.HASH_REGEX.search(path.name) if check_hash else None
        try:
            torch.hub.download_url_to_file(url, str(path), digest and digest.group(1), progress)
        except OSError as error:
            raise OSError(
                f"{url}: cannot be downloaded ({error}); without a network, put the file at {path}"
            ) from error
    return _read(path, url, map_location)


def _read(path: Path, name: str, map_location: Any) -> dict[str, Any]:
    """Unpickle the file at ``path``, which the user knows as ``name``.

    Raises:
        ValueError: when the file is damaged, holds no dict, or asks for more than is allowed.
    """
    trusted = _is_trusted(path, name)
    try:
        if _TORCH_HAS_ALLOW_LIST or trusted:
            checkpoint = torch.load(path, map_location=map_location, weights_only=not trusted)
        else:
            checkpoint = torch.load(
                path, map_location=map_location, pickle_module=restricted_pickle
            )
    except (MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(_explain(path, name, error)) from error
    if not isinstance(checkpoint, dict):
        kind = type(checkpoint).__name__
        raise ValueError(f"{name}: not a checkpoint; expected a dict of weights, found a {kind}")
    return checkpoint


def _explain(path: Path, name: str, error: Exception) -> str:
    text = str(error)
    refused = re.search(r"GLOBAL (\S+)|(?:unrecognized function|but got) (<.+>)", text)
    if isinstance(error, pickle.UnpicklingError) and refused:
        return (
            f"{name}: refused, because loading it would use {refused[1] or refused[2]}, which no "
            "checkpoint needs and which may run code of the file's author. If you trust the "
            f"author, set the environment variable {TRUST}={name}"
        )
    downloaded = "" if str(path) == name else f"; delete {path} to download it again"
    text = re.sub(r".*WeightsUnpickler error: ", "", text, flags=re.DOTALL).strip()
    reason = re.split(r"\. |\n", f"{type(error).__name__}: {text}")[0]
    return (
        f"{name}: cannot be read as a checkpoint ({reason}); the file may be incomplete, damaged "
        f"or something else{downloaded}"
    )


def _is_trusted(path: Path, name: str) -> bool:
    trusted = os.environ.get(TRUST)
    if not trusted:
        return False
    return trusted == name or Path(trusted).expanduser().resolve() == path.resolve()


def _allowed() -> list[tuple[Callable[..., Any], str]]:
    """The callables a checkpoint may use beyond torch's own, each with its name in the pickle."""
    allowed: list[tuple[Callable[..., Any], str]] = [
        (HistoryBuffer, "mmengine.logging.history_buffer.HistoryBuffer"),
        (OneCycleParamScheduler, "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler"),
        (_getattr, "builtins.getattr"),
        (np.ndarray, "numpy.ndarray"),
        (np.dtype, "numpy.dtype"),
    ]
    numpy_2 = int(np.__version__.split(".")[0]) >= 2
    multiarray = import_module("numpy._core.multiarray" if numpy_2 else "numpy.core.multiarray")
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # numpy 1 and numpy 2
        allowed.append((multiarray._reconstruct, f"{module}._reconstruct"))
        allowed.append((multiarray.scalar, f"{module}.scalar"))
    for dtype in (type(np.dtype(code)) for code in _NUMBER_CODES):
        allowed.append((dtype, f"{dtype.__module__}.{dtype.__name__}"))
    return allowed


def _getattr(owner: object, name: str) -> Callable[..., Any]:
    """The ``getattr`` of a checkpoint."""
    if not isinstance(owner, type) or name not in _ATTRIBUTES.get(owner, ()):
        raise pickle.UnpicklingError(f"GLOBAL getattr:{name} is not allowed")
    return getattr(owner, name)
