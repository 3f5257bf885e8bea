"""What the command line says about the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What the command line says about the page.

    Attributes:
        workspace: folder of uploads and results, removed when the server ends.
        score_thr: the threshold at the start.
        folder: files of the server that the page offers; none without a folder.
        folder_name: what the page calls them.
        max_frames: frames of a video that are predicted.
    """

    workspace: Path
    score_thr: float = 0.3
    folder: Sequence[Path] = ()
    folder_name: str = ""
    max_frames: int = 600
