"""Read checkpoints without running the code that a pickle may carry.

Upstream bugs (mmengine 0.10.7):

- It calls ``torch.load`` without ``weights_only``. Since torch 2.6 the default is True, and
  mmengine's own checkpoints are refused, because their message hub holds ``HistoryBuffer`` and
  numpy arrays.
- Files from a URL go through ``torch.hub``, which still runs the code of a pickle.

Delete when mmengine passes ``weights_only`` with an allow-list of its own.

``checkpoint_list`` holds what is allowed; none of it can import or call anything else.
``checkpoint_file`` checks the file before it is read, and ``checkpoint_content`` what was read.
A user can trust one file at a time beyond that, see ``TRUST``.
"""

import io
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO
from urllib.parse import urlparse

import torch
from mmengine.utils import digit_version

from condinst.compat import restricted_pickle
from condinst.compat.checkpoint_content import check_content, check_layout
from condinst.compat.checkpoint_file import TRUST, check, require_file
from condinst.compat.checkpoint_list import EXTRAS
from condinst.compat.safetensors_file import read_safetensors
from condinst.compat.safetensors_header import SUFFIX, begins_as_safetensors
from condinst.utils import hub

_TORCH_HAS_ALLOW_LIST = digit_version(torch.__version__) >= digit_version("2.6")


def apply(upstream: str) -> None:
    """Allow what checkpoints hold for every ``torch.load``, and replace the readers."""
    # imported here, because the import of mmengine.runner calls this function at its end
    from mmengine.runner import checkpoint as mmengine_checkpoint

    if _TORCH_HAS_ALLOW_LIST:
        torch.serialization.add_safe_globals([(value, name) for name, value in EXTRAS.items()])
    loader = mmengine_checkpoint.CheckpointLoader
    loader.register_scheme(prefixes="", loader=load_from_local, force=True)
    loader.register_scheme(prefixes=hub.PREFIX, loader=load_from_hub, force=True)
    mmengine_checkpoint.load_url = load_url
    mmengine_checkpoint.torch = _SafeTorch("torch")  # for mmengine's other sources


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read the checkpoint at a path; see :func:`_read` for the errors."""
    path = Path(filename).expanduser()
    require_file(path, str(filename))
    return _read(path, str(filename), map_location)


def load_from_hub(address: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint of the Hugging Face Hub; see ``utils.hub`` and :func:`_read`."""
    return _read(hub.fetch_from_hub(address), address, map_location)


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
) -> dict[str, Any]:
    """Read the checkpoint at a URL; it is downloaded once into torch.hub's folder.

    Raises:
        OSError: the checkpoint is not in that folder and cannot be downloaded.
        ValueError: see :func:`_read`.
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


def load(file: Any, map_location: Any = None) -> dict[str, Any]:
    """Load as ``torch.load`` for mmengine's other sources: a path, or an open file."""
    if isinstance(file, str | os.PathLike):
        return load_from_local(os.fspath(file), map_location)
    return _checked(file, "checkpoint", map_location, None)


class _SafeTorch(ModuleType):
    """torch, with a safe ``load``."""

    load = staticmethod(load)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def _read(path: Path, name: str, map_location: Any) -> dict[str, Any]:
    """Unpickle the file at ``path``, which the user knows as ``name``.

    Raises:
        ValueError: the file is damaged, holds no dict, or asks for more than is allowed.
    """
    if _is_trusted(path, name):
        return _dict_of(torch.load(path, map_location=map_location, weights_only=False), name)
    with path.open("rb") as file:
        return _checked(file, name, map_location, path)


def _checked(file: BinaryIO, name: str, map_location: Any, path: Path | None) -> dict[str, Any]:
    try:
        if path is not None and _is_safetensors(file, path):
            content = read_safetensors(path, map_location)
        else:
            content = _unpickle(file, map_location)
        check_content(content)
    except torch.cuda.OutOfMemoryError:
        raise
    except MemoryError as error:
        raise ValueError(f"{name}: reading it takes more memory than there is") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(_explain(path, name, error)) from error
    checkpoint = _dict_of(content, name)
    try:
        check_layout(checkpoint)
    except ValueError as error:
        raise ValueError(f"{name}: not a checkpoint of weights; {error}") from error
    return checkpoint


def _is_safetensors(file: BinaryIO, path: Path) -> bool:
    """Tell by the ending, which promises a file without a pickle, or by the first bytes."""
    start = file.read(9)
    file.seek(0)
    return path.suffix == SUFFIX or begins_as_safetensors(start)


def _unpickle(file: BinaryIO, map_location: Any) -> Any:
    members = check(file)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    options: dict[str, Any] = {"map_location": map_location, "weights_only": True}
    if os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0").lower() not in (
        "1",
        "y",
        "yes",
        "true",
    ):
        limits = restricted_pickle.Limits(size, members)
        options |= {"pickle_module": restricted_pickle, "weights_only": False, "limits": limits}
    source: Any = file if members else _Stream(file, size)
    return torch.load(source, **options)


class _Stream:
    """An open file with only the methods that torch's reader of its older format needs.

    Given a file descriptor, that reader would first try to unpack the file as a tar archive. It
    would also allocate as many bytes as the file names; here no read exceeds the file's size.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.readline, self.readinto = file.readline, file.readinto  # type: ignore[attr-defined]
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._size) if size >= 0 else -1)


def _dict_of(content: Any, name: str) -> dict[str, Any]:
    if isinstance(content, dict):
        return content
    kind = type(content).__name__
    raise ValueError(f"{name}: not a checkpoint; expected a dict of weights, found a {kind}")


def _explain(path: Path | None, name: str, error: Exception) -> str:
    refused = restricted_pickle.refused_name(error)
    if refused:
        return (
            f"{name}: refused, because loading it would use {refused}, which no "
            "checkpoint needs and which may run code of the file's author. If you trust the "
            f"author, set the environment variable {TRUST}={name}"
        )
    known = path is None or str(path) == name
    downloaded = "" if known else f"; delete {path} to download it again"
    text = re.sub(r".*WeightsUnpickler error: ", "", str(error), flags=re.DOTALL).strip()
    reason = re.split(r"\. |\n", f"{type(error).__name__}: {text}")[0][:300]
    return (
        f"{name}: cannot be read as a checkpoint ({reason}); the file may be incomplete, damaged "
        f"or something else{downloaded}"
    )


def _is_trusted(path: Path, name: str) -> bool:
    trusted = os.environ.get(TRUST)
    if not trusted:
        return False
    return trusted == name or Path(trusted).expanduser().resolve() == path.resolve()
