"""Find the images that annotation files name; nothing ambiguous is guessed."""

from __future__ import annotations

from condinst.dataset_converters.folder import Folder
from condinst.dataset_converters.records import Notes
from condinst.datasets.coco.entry_issues import short_repr

__all__ = ["NamedImages", "missing_image"]


def missing_image(folder: Folder, name: str) -> str | None:
    """Return why an image is not found although a near one is there; None if none is near."""
    same = folder.images_called(name)
    if len(same) > 1:
        listed = ", ".join(same[:4]) + (", ..." if len(same) > 4 else "")
        return (
            f"the image {short_repr(name)} may be any of {listed}: the annotations need the folder "
            "too"
        )
    near = folder.near_image(name)
    if near is not None:
        return (
            f"the image {short_repr(name)} is missing, but {near} is there: rename one of them, "
            "or correct the name in the annotations"
        )
    return None


class NamedImages:
    """Find each image once.

    Args:
        folder: the dataset's folder.
        notes: receives the images that are missing.
    """

    def __init__(self, folder: Folder, notes: Notes) -> None:
        self._folder, self._notes = folder, notes
        self._used: set[str] = set()

    def find(self, file: str, stated: str, beside: str = "") -> str | None:
        """Return the image that ``file`` calls ``stated``; None, with a note, if it is missing.

        Raises:
            ValueError: several images fit, the name differs by case or suffix only, or the image
                was found before.
        """
        path = self._folder.root / file
        name = self._folder.find_image(stated, beside)
        if name is None:
            if why := missing_image(self._folder, stated):
                raise ValueError(f"{path}: {why}")
            self._notes.miss("Entries whose image is missing, left out", stated[:200])
            return None
        if name in self._used:
            raise ValueError(f"{path}: a second entry for the image {name}")
        self._used.add(name)
        return name

    def count_others(self, what: str) -> None:
        """Count the images that were not found by ``find``."""
        for name in self._folder.images:
            if name not in self._used:
                self._notes.count(f"Images that {what} names, left out", name)
