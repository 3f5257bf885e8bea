"""Get the weights of a model by name, from a local folder, the cache or the network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

from filelock import FileLock, Timeout

from condinst.model_zoo.download import UnreachableError, check_file, download
from condinst.model_zoo.index import Model, get
from condinst.utils.files import replacing
from condinst.version import __version__

HOME = "CONDINST_HOME"
"""Environment variable: folder of the cache; by default ``condinst`` in the user's cache folder."""

WEIGHTS = "CONDINST_WEIGHTS"
"""Environment variable: a folder of published files, which is searched first."""


def check_published(model: Model) -> None:
    """Check that a model has weights, without fetching them.

    Raises:
        ValueError: it has none.
    """
    if model.packaged is None and model.weights is None:
        raise ValueError(
            f"{model.name}: no weights of this model are published; train it "
            f"(condinst train {model.name}), or give a checkpoint file"
        )


def fetch(model: str | Model, folder: str | Path | None = None) -> Path:
    """Return a file with the weights of a model, by our names.

    A model that comes with the package has its file there. Another's published file is searched in
    the local folder, then in the cache; otherwise it is downloaded into the cache. A file in the
    original's layout is converted once. Any number of processes may call this at the same time: one
    works, the others wait.

    Args:
        model: name, or entry of the index.
        folder: folder of published files under their names; the environment variable
            ``CONDINST_WEIGHTS`` if not given.

    Returns:
        The path, for mmengine's ``load_checkpoint``.

    Raises:
        ValueError: there is no such model, it has no weights, or a file is not the expected one.
        OSError: the weights cannot be fetched; the message says where to put the file.
    """
    entry = get(model) if isinstance(model, str) else model
    if (packaged := entry.packaged) is not None:
        return packaged
    check_published(entry)
    assert entry.weights is not None
    published = _find(entry, folder) or _download(entry)
    check_file(published, entry.sha256)
    if entry.layout == "mmdet":
        return published
    try:
        return _convert(entry, published)
    except ValueError as error:
        if published.parent != cache_folder():
            raise
        # without a checksum, only the reader notices that something else was downloaded
        raise ValueError(
            f"{error}; it came from {entry.weights}, delete it to get it anew"
        ) from error


def cache_folder() -> Path:
    """Return the folder of downloaded and converted weights, which is made if needed.

    Raises:
        OSError: the folder cannot be made.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~", ".cache")
    home = Path(os.environ.get(HOME) or Path(cache, "condinst")).expanduser()
    try:
        (home / "weights").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"{home}: cannot be used as the cache ({error.strerror}); set the environment variable "
            f"{HOME} to a folder that can be written to"
        ) from error
    return home / "weights"


def _find(entry: Model, folder: str | Path | None) -> Path | None:
    """Return the published file in the local folder, None if there is none."""
    source = "folder" if folder is not None else WEIGHTS
    folder = folder if folder is not None else os.environ.get(WEIGHTS)
    if not folder:
        return None
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise FileNotFoundError(f"{source} {folder}: expected a folder of weight files")
    path = place / str(entry.weights_file)
    return path if path.is_file() else None


def _download(entry: Model) -> Path:
    target = cache_folder() / str(entry.weights_file)
    if target.is_file():
        return target
    with _lock(target):
        if not target.is_file():
            _download_from_any(entry, target)
    return target


def _download_from_any(entry: Model, target: Path) -> None:
    """Download from the first URL of the entry that has the expected file."""
    advice = (
        f"get {entry.weights_file} elsewhere ({entry.repository} published it) and put it into "
        f"{target.parent}, or into the folder that the environment variable {WEIGHTS} names"
    )
    print(f"{entry.name}: license of these weights: {entry.license}", file=sys.stderr, flush=True)
    urls = [str(entry.weights), *entry.mirrors]
    failures: list[OSError | ValueError] = []
    for url in urls:
        # a server that is replaced by a mirror need not be waited for as long as the only one
        attempts = 5 if url == urls[-1] else 2
        try:
            download(url, target, checksum=entry.sha256, attempts=attempts)
            return
        except (UnreachableError, ValueError) as error:  # the next one may have the file
            failures.append(error)
            if url != urls[-1]:  # the error at the end says why
                host = urlparse(url).netloc
                print(f"{host} does not hand out the file, trying a mirror", file=sys.stderr)
        except OSError as error:
            raise OSError(f"{entry.name}: {error}. To go on without: {advice}") from error
    kind = OSError if isinstance(failures[0], OSError) else ValueError
    said = "; ".join(map(str, failures))
    raise kind(f"{entry.name}: {said}. To go on without: {advice}") from failures[0]


def _convert(entry: Model, source: Path) -> Path:
    """Convert the file to our names; the new name holds its checksum and our version."""
    from condinst.checkpoints import (  # imports PyTorch, which listing models does not need
        convert_file,
    )
    from condinst.checkpoints.weight_files import sha256

    stem = f"{entry.name}-{sha256(source)[:8]}-condinst{__version__}"
    target = cache_folder() / f"{stem}.pth"
    with _lock(target):
        if not target.is_file():
            with replacing(target, ".pth") as temporary:
                convert_file(source, temporary, config=entry.config)
    return target


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """Let one process at a time make a file."""
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that makes {target}", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
