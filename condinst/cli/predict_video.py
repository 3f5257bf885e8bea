"""Write the video with drawn instances of ``condinst predict``."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from condinst.cli.predict_output import ImageOutput
from condinst.images.sources import video_facts
from condinst.utils.files import flush, names_file
from condinst.utils.temporary_file import claim_temporary

if TYPE_CHECKING:
    from condinst.results.results import Results


class VideoOutput:
    """Writes a video with the instances drawn on its frames, at the original's frame rate.

    Args:
        video: the file, or a name for the frames of a stream.
        output: writes the other files.
        rate: frames per second of a stream; None for a file's own.

    Raises:
        ValueError: the file cannot be read, or a video of others would be replaced.
        OSError: no video can be written.
    """

    def __init__(self, video: Path, output: ImageOutput, rate: float | None = None) -> None:
        self.num_frames, self.rate = (0, rate) if rate is not None else video_facts(video)
        self._video, self._output = video, output
        self._name = output.take_name(video)
        self._path = output.out / f"{self._name}.mp4"
        output.files.own.check(output.files.of_video(self._name))
        self._partial = self._path  # claimed with the first frame that is drawn
        self._lock: int | None = None
        self._writer: Any = None
        self._number = self._drawn = 0

    def __enter__(self) -> VideoOutput:
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        if self._writer is None:
            return
        self._writer.release()
        try:
            if self._drawn:
                with names_file(self._path, self._partial):
                    self._check_whole()
                    flush(self._partial)
                    with self._output.files.own.writing([self._path]):
                        os.replace(self._partial, self._path)
        except OSError:
            if kind is None:
                raise
        finally:
            self._partial.unlink(missing_ok=True)
            if self._lock is not None:  # from here on, another process may use the name
                os.close(self._lock)

    def _check_whole(self) -> None:
        """Check the number of frames: OpenCV does not report those that it could not write."""
        import cv2

        capture = cv2.VideoCapture(str(self._partial))
        written = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if written < self._drawn:
            if shutil.disk_usage(self._partial.parent).free < 1 << 16:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise OSError(
                f"{self._path}: OpenCV wrote {written} of {self._drawn} frames; the disk may be "
                "full, or the video too large"
            )

    def write(self, results: Results) -> None:
        """Write the next frame."""
        self._number += 1
        if self._output.draw:
            self._write_frame(
                results.draw(score_thr=0.0, boxes=self._output.boxes, names=self._output.names)
            )
        files = self._output.files
        frame_name = files.free_name(f"{self._name}_{self._number:06d}.png")
        film = f"{self._name}{self._video.suffix}"
        with files.own.writing(files.of_frame(frame_name)):
            self._output.write_data(results, frame_name, f"{film}#{self._number}")

    def _write_frame(self, drawn: np.ndarray) -> None:
        import cv2

        if self._writer is None:
            with names_file(self._path):
                self._partial, self._lock = claim_temporary(self._path, ".mp4")
            size = (drawn.shape[1], drawn.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._partial), code, self.rate, size)
            if not self._writer.isOpened():
                raise OSError(
                    f"{self._path}: OpenCV cannot write a video of {size[0]} x {size[1]} there"
                )
        self._writer.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        self._drawn += 1
