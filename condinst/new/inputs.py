"""Find the pixel formats of a dataset's images and choose the network's input format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from condinst.images.decoding import read_stored
from condinst.images.limit import ImageTooLargeError, open_image
from condinst.images.pixel_format import PixelFormat
from condinst.utils.files import read_regular

_HEADERS = 500  # most files whose headers are read
_DECODED = 3  # files of each kind of header whose pixels are read


@dataclass(frozen=True)
class InputKind:
    """The pixel format of a file.

    Attributes:
        channels: number of channels without alpha.
        dtype: numpy's name of the type.
    """

    channels: int
    dtype: str

    def __str__(self) -> str:
        return f"{self.channels} channel{'s' * (self.channels > 1)} of {self.dtype}"


@dataclass(frozen=True)
class Inputs:
    """The pixel formats of the files and of the network's input.

    Attributes:
        kinds: number of files of each kind, the most frequent first.
        pixels: the format of the network's input.
        largest: largest pixel value that was read.
        notes: sentences on alpha channels and mixed formats.
    """

    kinds: dict[InputKind, int]
    pixels: PixelFormat
    largest: float
    notes: tuple[str, ...]


def look_at_inputs(paths: Sequence[Path]) -> Inputs:
    """Read the headers of up to 500 images, and the pixels of a few of each kind of header.

    Raises:
        FileNotFoundError: an image is missing.
        ValueError: a file is not an image, or the files have no common format; the message names
            them.
        ImportError: the files need a package that is not installed.
    """
    step = -(-len(paths) // _HEADERS)
    examples: dict[InputKind, Path] = {}
    counts: Counter[InputKind] = Counter()
    seen: dict[tuple, list[InputKind]] = {}
    largest, alphas = 0.0, []
    for path in paths[::step]:
        key = _header(path)
        known = seen.setdefault(key, [])
        if len(known) < _DECODED:
            kind, top, alpha_varies = _read(path)
            known.append(kind)
            largest = max(largest, top)
            if alpha_varies:
                alphas.append(path)
        else:
            kind = known[-1]
        counts[kind] += 1
        examples.setdefault(kind, path)
    pixels, notes = _choose(examples)
    if alphas:
        notes.append(
            f"{alphas[0].name} has an alpha channel that varies; it is left out. To train on it, "
            'write channels=4: see "Images that are not 8-bit RGB" in docs/inputs.md'
        )
    return Inputs(dict(counts.most_common()), pixels, largest, tuple(notes))


def _header(path: Path) -> tuple:
    """Return a key that is equal for files with the same kind of header."""
    try:
        with open_image(path) as image:
            tile = getattr(image, "tile", None)
            raw = str(tile[0][3]) if tile and len(tile[0]) > 3 else ""
            samples = image.tag_v2.get(277) if image.format == "TIFF" else None  # type: ignore
            return image.format, image.mode, raw, samples
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: image not found; the annotations name it") from None
    except ImageTooLargeError as error:
        raise ValueError(f"image file {path}: {error}") from None
    except Exception:  # Pillow does not know the format
        return (path.suffix.lower(),)


def _read(path: Path) -> tuple[InputKind, float, bool]:
    """Return the kind, the largest value, and whether an alpha channel varies."""
    try:
        stored = read_stored(read_regular(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    pixels, alpha = stored.pixels, stored.alpha
    varies = False
    if alpha:
        varies = bool(np.ptp(pixels[..., -1]) > 0)
        pixels = pixels[..., :-1]
    dtype = "uint8" if pixels.dtype == np.bool_ else str(pixels.dtype)
    return InputKind(pixels.shape[2], dtype), float(pixels.max()), varies


def _choose(examples: dict[InputKind, Path]) -> tuple[PixelFormat, list[str]]:
    """Choose one format for all files, and return it with notes."""
    channels = {kind.channels for kind in examples}
    dtypes = {kind.dtype for kind in examples}
    listed = "; ".join(f"{kind}, such as {path}" for kind, path in examples.items())
    if len(channels) > 1 and not channels <= {1, 3}:
        raise ValueError(
            f"the images have different channels: {listed}. Expected the same number in all, or "
            "gray and color images"
        )
    number = max(channels)
    notes = []
    if len(channels) > 1:
        notes.append("gray and color images: gray ones are read as three equal channels")
    if dtypes == {"uint8"}:
        return PixelFormat(number), notes
    if dtypes == {"uint16"}:
        return PixelFormat(number, "uint16"), notes
    if dtypes == {"uint8", "uint16"} and number in (1, 3):
        notes.append(f"8 and 16 bits are mixed: of 16 bits, the upper byte is read ({listed})")
        return PixelFormat(number), notes
    if dtypes & {"uint8", "uint16"} and len(dtypes) > 1:
        raise ValueError(f"the images' values differ in type: {listed}. Expected one type in all")
    return PixelFormat(number, "float32"), notes
