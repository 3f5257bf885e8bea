"""Choose instances by number, condition or class name, as the index of results says."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from condinst.utils.arguments import shown

__all__ = ["choose", "labels_of", "number_of"]

_KINDS = (
    'a number, a slice, an array such as results.scores > 0.5, or a class name such as "person"'
)


def number_of(index: Any, count: int) -> int | None:
    """Return which of ``count`` instances an index means; None if it is not a single number.

    Raises:
        IndexError: there is no such instance.
    """
    try:
        number = operator.index(index)
    except TypeError:
        return None
    if isinstance(index, bool) or getattr(index, "dtype", None) == np.bool_:
        return None
    if not -count <= number < count:
        raise IndexError(f"results[{number}]: there are {count} instances")
    return number % count


def choose(
    index: Any, labels: NDArray[np.int64], class_names: Sequence[str]
) -> slice | NDArray[np.int64]:
    """Return the instances that an index of several instances means.

    Args:
        index: a slice; an array or a list of numbers or booleans; a class name, or several in a
            list or a tuple.
        labels: (N,), index into ``class_names``.
        class_names: the name of every label.

    Raises:
        IndexError: a number is outside the instances, or there is not one boolean per instance.
        TypeError: the index is of another kind.
        ValueError: there is no class of this name.
    """
    if isinstance(index, slice):
        return index
    if isinstance(index, str):
        return np.flatnonzero(np.isin(labels, labels_of(index, class_names)))
    if isinstance(index, bool | np.bool_):
        raise TypeError(
            f"results[{index}]: a single truth value chooses no instances; compare an array, such "
            'as results.names == "person" or results.scores > 0.5, or write results["person"]'
        )
    if index is None or index is ... or isinstance(index, dict | set):
        raise TypeError(f"results[{shown(index)}]: expected {_KINDS}")
    if isinstance(index, tuple) and not all(isinstance(part, str) for part in index):
        raise TypeError(f"results{list(index)}: expected one index; several numbers go in a list")
    try:
        array = np.asarray(index)
    except (ValueError, TypeError, RuntimeError):  # lists of different lengths, strange tensors
        array = np.array(None)
    if array.ndim == 0:
        raise TypeError(f"results[{shown(index)}]: expected {_KINDS}")
    return _of_array(array, labels, class_names)


def _of_array(
    array: np.ndarray, labels: NDArray[np.int64], class_names: Sequence[str]
) -> NDArray[np.int64]:
    count = len(labels)
    if array.ndim != 1:
        raise TypeError(f"results[an array of shape {array.shape}]: expected {_KINDS}")
    if array.dtype == np.bool_:
        if len(array) != count:
            raise IndexError(
                f"results[{len(array)} booleans]: expected one for each of the {count} instances"
            )
        return np.flatnonzero(array)
    if not array.size:
        return np.zeros(0, np.int64)
    if array.dtype.kind in "UO" and all(isinstance(name, str) for name in array.tolist()):
        wanted = [label for name in array.tolist() for label in labels_of(name, class_names)]
        return np.flatnonzero(np.isin(labels, wanted))
    if array.dtype.kind not in "iu":
        raise TypeError(f"results[an array of {array.dtype}]: expected {_KINDS}")
    outside = array[(array < -count) | (array >= count)]
    if outside.size:
        raise IndexError(f"results[{outside[0]}]: there are {count} instances")
    return array.astype(np.int64)


def labels_of(name: str, class_names: Sequence[str]) -> list[int]:
    """Return the labels of the classes of one name; there is more than one if names repeat.

    Raises:
        ValueError: there is no such class.
    """
    found = [label for label, known in enumerate(class_names) if known == name]
    if not found:
        near = difflib.get_close_matches(name, class_names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the classes are {_listed(class_names)}"
        raise ValueError(f"class {name!r}: there is no such class; {hint}")
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
