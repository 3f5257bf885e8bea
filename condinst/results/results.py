"""The results of prediction on one image: boxes, scores, names and masks, in all common formats.

The package needs numpy alone (and pillow for drawing), so that predictors without PyTorch can use
it.

Shapes: N instances, H x W pixels of the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from condinst.results.choose import choose, labels_of, number_of
from condinst.results.converting import ConvertedFields
from condinst.utils.arguments import hinting, shown

__all__ = ["Instance", "Results"]


class Results(ConvertedFields):
    """The instances of one image, best first.

    ``len(results)`` is the number of instances, ``results[0]`` the best one. These choose several:

    - a slice, a list of numbers, or a boolean array: ``results[results.scores > 0.5]``,
      ``results[results.names == "person"]``;
    - a class name, or several: ``results["person"]``, ``results["person", "dog"]``;
      ``"person" in results`` says whether there is one.

    Attributes:
        image_size: height and width of the image.
        boxes: (N, 4) float32, xyxy in the image's pixels.
        scores: (N,) float32.
        labels: (N,) int64, index into ``class_names``.
        crops: N masks, each the part of the image that holds its pixels.
        class_names: the name of every label.
        path: the image's file; None if the image did not come from a file.
        image: the image, not copied, if it did not come from a file: (H, W, 3) uint8 RGB, or the
            predictor's ``pixel_format``; else None.
        track_ids: (N,) int64, the number of each instance's track through a video; None if nothing
            has been tracked.

    Raises:
        ValueError: the arrays differ in length, a label has no name, or a crop lies outside the
            image.
    """

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Instance: ...

    @overload
    def __getitem__(self, index: slice | str | Sequence[Any] | NDArray[Any]) -> Results: ...

    def __getitem__(self, index: Any) -> Results:
        number = number_of(index, len(self))
        if number is not None:
            return self._take(Instance, np.array([number]))
        return self._take(Results, choose(index, self.labels, self.class_names))

    def _take(self, kind: type[Results], chosen: slice | NDArray[np.int64]) -> Results:
        numbers = np.arange(len(self))[chosen]
        return kind(
            image_size=self.image_size,
            boxes=self.boxes[numbers],
            scores=self.scores[numbers],
            labels=self.labels[numbers],
            crops=[self.crops[i] for i in numbers],
            class_names=self.class_names,
            path=self.path,
            image=self.image,
            track_ids=None if self.track_ids is None else self.track_ids[numbers],
        )

    def __iter__(self) -> Iterator[Instance]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, item: object) -> bool:
        """Return whether a class has an instance, by its name, or whether an instance is here.

        Raises:
            TypeError: ``item`` is neither; a number may be a label, an index or a track.
        """
        if isinstance(item, str):
            return item in self.counts
        if isinstance(item, Results):  # one instance, such as results[0]
            return any(item == instance for instance in self)
        raise TypeError(
            f"{shown(item)} in results: expected a class name or an instance; numbers are looked "
            "up in results.labels or results.track_ids"
        )

    @staticmethod
    @hinting
    def merge(parts: Iterable[Results]) -> Results:
        """Join several results of one image, best first: of two models, or of two classes.

        Duplicates are kept, and tracks are not. Where the class names of the parts differ, labels
        are given by name.

        Raises:
            ValueError: there is no part, or the parts are of images of different sizes.
            TypeError: the parts are no results.
        """
        if not isinstance(parts, Iterable) or isinstance(parts, Results | str):
            raise TypeError(f"parts={shown(parts)}: expected a list of Results of one image")
        parts = list(parts)
        for i, part in enumerate(parts):
            if not isinstance(part, Results):
                raise TypeError(f"parts[{i}]={shown(part)}: expected Results of the same image")
        sizes = {part.image_size for part in parts}
        if len(sizes) != 1:
            found = ", ".join(f"{width} x {height}" for height, width in sorted(sizes))
            raise ValueError(
                f"merge: expected results of one image, got image sizes {found or 'of none'}"
            )
        names = tuple(dict.fromkeys(name for part in parts for name in part.class_names))
        if len({part.class_names for part in parts}) == 1:
            names, labels = parts[0].class_names, [part.labels for part in parts]
        else:
            labels = [
                np.array([labels_of(name, names)[0] for name in part.names.tolist()], np.int64)
                for part in parts
            ]
        scores = np.concatenate([part.scores for part in parts])
        paths = {part.path for part in parts}
        merged = Results(
            image_size=parts[0].image_size,
            boxes=np.concatenate([part.boxes for part in parts]),
            scores=scores,
            labels=np.concatenate(labels),
            crops=[crop for part in parts for crop in part.crops],
            class_names=names,
            path=parts[0].path if len(paths) == 1 else None,
            image=parts[0].image,
        )
        return merged[np.argsort(-scores, kind="stable")]

    @staticmethod
    @hinting
    def from_dict(content: Mapping[str, Any], class_names: Sequence[str] | None = None) -> Results:
        """Read what :meth:`to_dict` returned.

        Args:
            content: the values.
            class_names: the name of every label; None for the names in the content, which has at
                least those of its instances.

        Raises:
            ValueError: a value is missing or invalid; the message names it.
        """
        from condinst.results.reading import read_fields

        return Results(**read_fields(content, class_names))

    @staticmethod
    @hinting
    def from_json(text: str | bytes, class_names: Sequence[str] | None = None) -> Results:
        """Read what :meth:`to_json` returned, or a line of ``condinst predict --format json``.

        Arguments and errors are those of :meth:`from_dict`.
        """
        from condinst.results.reading import parse

        return Results.from_dict(parse(text), class_names)


class Instance(Results):
    """One instance of :class:`Results`: ``results[0]``, or ``for instance in results``.

    It is drawn, saved and converted like results, and has the values of its single instance under
    names of their own.
    """

    @property
    def name(self) -> str:
        """The class name."""
        return self.class_names[self.labels[0]]

    @property
    def label(self) -> int:
        """The index of the class."""
        return int(self.labels[0])

    @property
    def score(self) -> float:
        """The score, from 0 to 1."""
        return float(self.scores[0])

    @property
    def box(self) -> NDArray[np.float32]:
        """The box, (4,), xyxy in the image's pixels."""
        return self.boxes[0]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask, (H, W); each access creates a new array."""
        return self.masks[0]

    @property
    def rle(self) -> dict[str, Any]:
        """The mask as an RLE in COCO's format."""
        return self.rles[0]

    @property
    def polygon(self) -> list[NDArray[np.float32]]:
        """The exact outline: one (K, 2) array per part, xy in the image's pixels."""
        return self.polygons[0]

    @property
    def area(self) -> int:
        """The number of the mask's pixels."""
        return int(self.areas[0])

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.0f}" for value in self.box)
        return f"Instance({self.name} {self.score:.2f}, box {box}, {self.area} pixels)"
