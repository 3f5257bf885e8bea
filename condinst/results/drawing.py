"""Results on their image: as an array, a file, a window, or in a notebook."""

from __future__ import annotations

import base64
import html
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from condinst.images.pixel_format import to_display
from condinst.results.fields import Fields
from condinst.utils.arguments import check_path, hinting, shown
from condinst.utils.files import write_whole

if TYPE_CHECKING:
    from PIL import Image

    from condinst.visualization.labels import Names

__all__ = ["DrawnFields"]

# Sides of an image in a notebook, in pixels, and rows of the table below it.
_MAX_SHOWN_SIDE = 1024
_MAX_SHOWN_ROWS = 10

_FILE = 'the name of an image file to write, such as "found.jpg"'


class DrawnFields(Fields):
    """The methods of :class:`condinst.Results` that draw."""

    @hinting
    def draw(
        self,
        image: NDArray[Any] | Image.Image | None = None,
        *,
        score_thr: float = 0.0,
        boxes: bool = True,
        names: Names = "auto",
        enlarge: bool = True,
    ) -> NDArray[np.uint8]:
        """Draw the instances on the image.

        Args:
            image: what to draw on instead of the image itself: (H, W, 3) uint8 RGB, or any array
                that :func:`~condinst.images.pixel_format.to_display` takes.
            score_thr: instances with a lower score are not drawn; by default, all are drawn.
            boxes: whether to draw boxes around the masks.
            names: which names and scores to write. "auto" leaves out the name of the only class,
                and every label that would hide more than a fifth of an object's box; True writes
                all that have a place beside each other, False none.
            enlarge: whether to enlarge an image of less than 480 pixels, by a whole number, so that
                names do not hide its objects. Without names, nothing is enlarged.

        Returns:
            (H, W, 3) uint8 RGB, or a multiple of that size.

        Raises:
            ValueError: there is no image, it has another size, or ``score_thr`` is not from 0 to 1.
            TypeError: ``image`` is no image.
        """
        from condinst.visualization.instances import draw_instances

        pixels = self.read_image() if image is None else self._to_draw_on(image)
        return draw_instances(
            pixels,
            self,
            self.class_names,
            score_thr,
            boxes=boxes,
            names=names,
            enlarge=enlarge and names is not False,
        )

    plot = draw

    def _to_draw_on(self, image: Any) -> NDArray[np.uint8]:
        """Return the argument ``image`` of :meth:`draw` for display."""
        height, width = self.image_size
        expected = f"image={shown(image)}: expected the pixels of the image, ({height}, {width}, 3)"
        array = None if isinstance(image, str | os.PathLike) else np.asarray(image)
        if array is None or array.ndim not in (2, 3) or array.dtype.kind not in "buif":
            raise TypeError(f"{expected} uint8 RGB")
        if array.shape[:2] != self.image_size or not array.size:
            raise ValueError(f"{expected} uint8 RGB")
        return to_display(array)

    @hinting
    def save(
        self,
        path: str | os.PathLike[str],
        image: NDArray[Any] | Image.Image | None = None,
        *,
        score_thr: float = 0.0,
        boxes: bool = True,
        names: Names = "auto",
        enlarge: bool = True,
    ) -> Path:
        """Write the image with its instances to a file.

        Args:
            path: the file; its suffix sets the format.
            image, score_thr, boxes, names, enlarge: as for :meth:`draw`.

        Raises:
            ValueError: ``path`` is the image's own file or has no suffix of an image file, or see
                :meth:`draw`.
            TypeError: ``path`` is no path, or see :meth:`draw`.
        """
        from PIL import Image

        path = Path(check_path("path", path, _FILE))
        if self.path is not None and path.exists() and path.samefile(self.path):
            raise ValueError(f"{path}: this is the image itself; choose another name")
        kind = Image.registered_extensions().get(path.suffix.lower())
        if kind is None:
            raise ValueError(f"path={str(path)!r}: expected {_FILE}")
        drawn = self.draw(image, score_thr=score_thr, boxes=boxes, names=names, enlarge=enlarge)
        write_whole(path, _encode(Image.fromarray(drawn), kind, quality=92))
        return path

    @hinting
    def show(
        self,
        image: NDArray[Any] | Image.Image | None = None,
        *,
        score_thr: float = 0.0,
        boxes: bool = True,
        names: Names = "auto",
        enlarge: bool = True,
    ) -> None:
        """Show the image with its instances: in a notebook below the cell, else in a window.

        Args:
            image, score_thr, boxes, names, enlarge: as for :meth:`draw`.

        Raises:
            RuntimeError: there is no window or no program that shows images; or see :meth:`draw`.
        """
        from PIL import Image, ImageShow

        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        in_notebook = hasattr(shell, "kernel")
        if (
            not in_notebook
            and sys.platform.startswith("linux")
            and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
        ):
            raise RuntimeError("there is no window here (DISPLAY is not set); save() writes a file")
        pixels = self.draw(image, score_thr=score_thr, boxes=boxes, names=names, enlarge=enlarge)
        drawn: Image.Image = Image.fromarray(pixels)
        if in_notebook:
            from IPython.display import display

            display(drawn)
        elif not ImageShow.show(drawn):
            raise RuntimeError("no program to show images was found; save() writes a file")

    def read_image(self) -> NDArray[np.uint8]:
        """Return the image for display, (H, W, 3) uint8 RGB; read it from its file if necessary.

        16-bit values are stretched; of many channels, the first three are used.

        Raises:
            ValueError: there is neither image nor path, or the file's image now has another size.
        """
        if self.image is not None:
            return to_display(self.image)
        if self.path is None:
            raise ValueError("these results have neither image nor path: pass image=")
        from condinst.images.sources import read_for_display

        return read_for_display(self.path, self.image_size)

    def _thumbnail(self) -> Image.Image | None:
        """Return the drawing in a size for notebooks; None if the image is not there any more."""
        from PIL import Image

        try:
            drawn: Image.Image = Image.fromarray(self.draw())
        except (OSError, ValueError, ImportError):
            return None
        drawn.thumbnail((_MAX_SHOWN_SIDE, _MAX_SHOWN_SIDE))
        return drawn

    def _repr_png_(self) -> bytes | None:
        drawn = self._thumbnail()
        return None if drawn is None else _encode(drawn, "PNG")

    def _repr_html_(self) -> str:
        """Return the drawing and a table of the best instances, for notebooks."""
        text = html.escape(repr(self))
        parts = [f"<p>{text}</p>"]
        drawn = self._thumbnail()
        if drawn is not None:
            data = base64.b64encode(_encode(drawn, "JPEG", quality=85)).decode()
            parts.append(
                f'<img src="data:image/jpeg;base64,{data}" alt="{text}" '
                'style="max-width: 100%; height: auto">'
            )
        if len(self):
            parts.append(self._table())
        return f"<div>{''.join(parts)}</div>"

    def _table(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("", "name", "score", "box (xyxy)", "pixels"))
        rows = []
        for i, crop in enumerate(self.crops[:_MAX_SHOWN_ROWS]):
            box = ", ".join(f"{value:.0f}" for value in self.boxes[i])
            name = html.escape(self.class_names[self.labels[i]])
            pixels = np.count_nonzero(crop.mask)
            cells = (str(i), name, f"{self.scores[i]:.2f}", box, f"{pixels:,}")
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        rest = len(self) - len(rows)
        more = f"<p>and {rest} more</p>" if rest else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{more}"


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()  # Pillow's JPEG writer does not report a full disk
    image.save(buffer, kind, **options)
    return buffer.getvalue()
