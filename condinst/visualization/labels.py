"""Text on images: names of instances, placed where they hide little, and titles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from condinst.visualization.selection import DrawnInstances

__all__ = ["Names", "check_names", "draw_labels", "with_title"]

Color = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]  # xyxy
Names = bool | Literal["auto"]

_MIN_FONT = 10  # pixels
_MOST_HIDDEN = 0.2  # of any object's box


def check_names(names: Names) -> None:
    """Check a choice of names.

    Raises:
        ValueError: it is not True, False or "auto".
    """
    if not (isinstance(names, bool) or names == "auto"):
        raise ValueError(f"names={names!r}: expected True, False or 'auto'")


def draw_labels(
    image: Image.Image,
    instances: DrawnInstances,
    colors: Sequence[Color],
    classes: Sequence[str],
    names: Names = "auto",
) -> None:
    """Write each name and score near its instance, where it covers no other name.

    A name without such a place is left out, because overlapping names cannot be read. Instances
    with high scores are placed first.

    Args:
        image: it is drawn on.
        instances: what is named.
        colors: of each instance.
        classes: the name of every label.
        names: "auto" leaves out the name of the only class, and every label that would hide more
            than a fifth of an object's box, and writes smaller among small objects; True writes
            all that have a place; False none.
    """
    with_class = names is True or len(classes) > 1
    numbered = instances.scores is not None or instances.track_ids is not None
    if names is False or not len(instances) or not (with_class or numbered):
        return
    hides = _HiddenObjects(instances) if names == "auto" else None
    pen = ImageDraw.Draw(image)
    font_size = _font_size(image.size)
    if hides is not None:  # small writing among small objects
        font_size = min(font_size, max(_MIN_FONT, round(hides.side / 3)))
    font = ImageFont.load_default(font_size)
    taken: list[Rectangle] = []
    for i in _best_first(instances):
        color = colors[i]
        words = [] if instances.track_ids is None else [f"#{instances.track_ids[i]}"]
        if with_class:
            words.append(classes[instances.labels[i]])
        if instances.scores is not None:
            words.append(f"{instances.scores[i]:.2f}")
        text = " ".join(words)
        left, _, right, _ = pen.textbbox((0, 0), text, font=font)
        # all labels have one height and one baseline; without FreeType, pillow's own font is 11
        # pixels high
        scalable = isinstance(font, ImageFont.FreeTypeFont)
        ascent, descent = font.getmetrics() if scalable else (11, 0)  # type: ignore[union-attr]
        width, height = round(right - left) + 6, ascent + descent + 2
        place = _find_place(instances.frame(i), width, height, image.size, taken, hides)
        if place is None:
            continue
        taken.append(place)
        pen.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=color)
        bright = np.dot(color, (0.299, 0.587, 0.114)) > 110
        ink = (0, 0, 0) if bright else (255, 255, 255)
        pen.text((place[0] + 3 - left, place[1] + 1), text, font=font, fill=ink)


class _HiddenObjects:
    """Tells whether a rectangle would hide more than a fifth of an object's box."""

    def __init__(self, instances: DrawnInstances) -> None:
        frames = np.stack([instances.frame(i) for i in range(len(instances))])
        self._low, self._high = frames[:, :2], frames[:, 2:]  # (M, 2)
        areas = (self._high - self._low).prod(axis=1)
        self._most = _MOST_HIDDEN * areas
        self.side = float(np.sqrt(np.median(areas)))  # of a square as large as the middle box

    def __call__(self, place: Rectangle) -> bool:
        sides = np.minimum(self._high, place[2:]) - np.maximum(self._low, place[:2])
        return bool((sides.clip(min=0).prod(axis=1) > self._most).any())


def with_title(panel: np.ndarray, title: str) -> np.ndarray:
    """Put a strip with a title above an image."""
    font_size = _font_size((panel.shape[1], panel.shape[0])) + 2
    strip = Image.new("RGB", (panel.shape[1], font_size + 10), "white")
    font = ImageFont.load_default(font_size)
    ImageDraw.Draw(strip).text((4, 3), title, font=font, fill="black")
    return np.concatenate([np.asarray(strip), panel], axis=0)


def _font_size(size: tuple[int, int]) -> int:
    # 9 pixels and more where a page shows the image 358 pixels wide, as on a phone
    return max(_MIN_FONT, round(max(size) / 38))


def _best_first(instances: DrawnInstances) -> list[int]:
    """Return the order in which names are placed: by falling score."""
    if instances.scores is None:
        return list(range(len(instances)))
    return np.argsort(-instances.scores, kind="stable").tolist()


def _find_place(
    box: np.ndarray,
    width: int,
    height: int,
    size: tuple[int, int],
    taken: list[Rectangle],
    hides: Callable[[Rectangle], bool] | None = None,
) -> Rectangle | None:
    """Find a free place for a name: above the box, inside its top, below, at its sides, inside."""
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    middle = (y1 + y2 - height) // 2
    corners = [(x1, y1 - height), (x1, y1), (x1, y2), (x1, y2 - height), (x2 - width, y1)]
    corners += [(x2 - width, y1 - height), (x2, y1), (x1 - width, y1), (x2 - width, y2)]
    corners += [((x1 + x2 - width) // 2, middle), (x2, middle), (x1 - width, middle)]
    places = []
    for x, y in corners:
        x, y = max(0, min(x, size[0] - width)), max(0, min(y, size[1] - height))
        places.append((x, y, x + width, y + height))
    free = (p for p in places if not any(_overlap(p, t) for t in taken))
    return next((p for p in free if hides is None or not hides(p)), None)


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
