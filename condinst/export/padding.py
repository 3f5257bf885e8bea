"""The padding of the test pipeline, ``Pad``, which an exported file repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from condinst.export.builder import GraphBuilder
from condinst.images.pixel_format import PixelFormat

__all__ = ["Padding", "read_padding"]


@dataclass(frozen=True)
class Padding:
    """Padding at the right and at the bottom, in one color.

    Attributes:
        size: least height and width; None for no such bound.
        divisor: number that divides the padded sides; 1 for any.
        square: whether the padded image is a square.
        color: value of each channel, RGB for 3 channels.
    """

    size: tuple[int, int] | None
    divisor: int
    square: bool
    color: tuple[float, ...]

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of a padded image."""
        least = self.size or (0, 0)
        if self.square:
            least = (max(height, width),) * 2
        rows, columns = (
            -(-max(side, other) // self.divisor) * self.divisor
            for side, other in zip((height, width), least, strict=True)
        )
        return rows, columns

    def pad(self, image: np.ndarray) -> np.ndarray:
        """Pad a (C, H, W) image."""
        height, width = image.shape[1:]
        padded = np.empty((len(image), *self.sides(height, width)), image.dtype)
        padded[:] = np.array(self.color, image.dtype)[:, None, None]
        padded[:, :height, :width] = image
        return padded

    def sides_in(self, g: GraphBuilder, sides: Sequence[str]) -> list[str]:
        """Return height and width, each (1,) int64, of a padded image of a graph."""
        if self.square:
            longer = g.Max(*sides)
            found = [longer, longer]
        elif self.size is not None:
            found = [g.Max(side, [least]) for side, least in zip(sides, self.size, strict=True)]
        else:
            found = list(sides)
        return [round_up(g, side, self.divisor) for side in found]

    def pad_in(self, g: GraphBuilder, images: str, sides: Sequence[str], to: Sequence[str]) -> str:
        """Pad (B, C, H, W) images of a graph from the sides ``sides`` to the sides ``to``."""
        if len(set(self.color)) == 1:
            return pad_to(g, images, sides, to, self.color[0])
        # a color is not one number, which Pad needs: black is added to the difference from it
        color = np.array(self.color, np.float32).reshape(1, -1, 1, 1)
        return g.Add(pad_to(g, g.Sub(images, color), sides, to, 0.0), color)


def round_up(g: GraphBuilder, side: str, divisor: int) -> str:
    """Return the next multiple of a number."""
    if divisor == 1:
        return side
    return g.Mul(g.Div(g.Add(side, [divisor - 1]), [divisor]), [divisor])


def pad_to(
    g: GraphBuilder, images: str, sides: Sequence[str], to: Sequence[str], value: float
) -> str:
    """Pad (B, C, H, W) images at the right and at the bottom with one value."""
    ends = [g.Sub(full, side) for full, side in zip(to, sides, strict=True)]
    return g.Pad(images, g.Concat([0] * 6, *ends, axis=0), value, mode="constant")


def read_padding(steps: Sequence[Any], pixel_format: PixelFormat) -> Padding | None:
    """Read how a test pipeline pads images; None if it does not.

    Args:
        steps: its transforms.
        pixel_format: format of the images.

    Raises:
        ValueError: the pipeline pads in a way that exported files do not support.
    """
    names = [type(step).__name__ for step in steps]
    if "Pad" not in names:
        return None
    place = names.index("Pad")
    step = steps[place]
    if "Pad" in names[place + 1 :] or any("Resize" in name for name in names[place + 1 :]):
        raise ValueError(
            "test pipeline: Pad is followed by another Pad or by a Resize; expected one Pad after "
            "it, the only order of exported files"
        )
    if step.padding_mode != "constant":
        raise ValueError(
            f"test pipeline: Pad: padding_mode={step.padding_mode!r}: expected 'constant', the "
            "only padding of exported files"
        )
    # the color is what the step paints: one number may mean all channels or the first
    channels = pixel_format.channels
    shape = (1, 2) if channels == 1 else (1, 2, channels)
    image = pixel_format.to_loaded(np.zeros(shape, pixel_format.dtype))
    corner = np.atleast_1d(step(dict(img=image))["img"][-1, -1])  # black if it was not padded
    color = [float(x) for x in corner]
    return Padding(
        size=None if step.size is None else (int(step.size[1]), int(step.size[0])),
        divisor=int(step.size_divisor or 1),
        square=bool(step.pad_to_square),
        color=tuple(color[::-1] if channels == 3 else color),
    )
