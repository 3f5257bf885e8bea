"""Frames of cameras and of streams in a network, with OpenCV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from condinst.images.limit import check_size
from condinst.images.sources import FRAME_RATE
from condinst.utils.optional import import_failure

__all__ = ["LiveStream", "is_live"]

_SECONDS = 10  # to connect, and to wait for a frame
_SCHEMES = ("rtsp", "rtsps", "rtmp")
_WEB_STREAMS = (".mjpg", ".mjpeg", ".m3u8")  # other addresses of http are images


def is_live(word: str) -> bool:
    """Tell whether a word is the number of a camera, or the address of a stream."""
    if re.fullmatch(r"[0-9]{1,3}", word):
        return True
    scheme, found, rest = word.partition("://")
    if not found:
        return False
    path = rest.partition("?")[0].lower()
    return scheme.lower() in _SCHEMES or (
        scheme.lower() in ("http", "https") and path.endswith(_WEB_STREAMS)
    )


class LiveStream:
    """An open camera or stream, whose frames are (H, W, 3) uint8 RGB; a context manager.

    Every frame is returned: a reader that is slower than a camera falls behind.

    Args:
        word: the number of a camera, or the address of a stream.

    Attributes:
        name: what files are called after; without user and password of the address.
        rate: frames per second; 25 where the stream does not say it.

    Raises:
        ValueError: nothing can be read there, or the frames are too large.
        ImportError: OpenCV is not installed.
    """

    def __init__(self, word: str) -> None:
        try:
            import cv2
        except ImportError as error:
            raise import_failure(
                "streams need OpenCV", "cv2", "pip install opencv-python", error
            ) from error
        camera = word.isdigit()
        address = urlsplit("" if camera else word)
        self.name = f"camera-{word}" if camera else f"{address.hostname}{address.path}"
        self._capture = cv2.VideoCapture()
        if camera:
            opened = self._capture.open(int(word))
        else:
            wait = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 1000 * _SECONDS]
            wait += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1000 * _SECONDS]
            opened = self._capture.open(word, cv2.CAP_FFMPEG, wait)
        self._frame: Any = self._capture.read()[1] if opened else None  # the first one
        if self._frame is None:
            self.close()
            what = f"camera {word}" if camera else f"stream {self.name}"
            raise ValueError(f"{what}: OpenCV reads no frame there")
        try:
            check_size(self._frame.shape[1], self._frame.shape[0])
        except ValueError as error:
            self.close()
            raise ValueError(f"stream {self.name}: {error}") from None
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 240 else FRAME_RATE

    def __enter__(self) -> LiveStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames until the stream ends, or is silent for 10 s."""
        import cv2

        read, frame = True, self._frame
        while read:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            read, frame = self._capture.read()

    def close(self) -> None:
        """Close the camera or the connection."""
        self._capture.release()
