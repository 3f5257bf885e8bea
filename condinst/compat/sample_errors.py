"""Name the image in an error of a dataset's pipeline.

Upstream bug: mmengine's ``BaseDataset`` does not change an error of a transform, so that a
broken image among thousands ends as "'NoneType' object has no attribute 'astype'". Delete when
mmengine names the sample.
"""

from __future__ import annotations

import functools
import importlib
import os
import traceback
from typing import Any


class SampleError(ValueError):
    """A sample cannot be loaded; the message names its image, the transform and the error."""


def apply(upstream: str) -> None:
    """Replace ``BaseDataset.prepare_data``, and thus that of all datasets that inherit it."""
    base = importlib.import_module(upstream).BaseDataset
    original = base.prepare_data
    if getattr(original, "names_the_sample", False):
        return

    @functools.wraps(original)
    def prepare_data(self: Any, idx: Any) -> Any:
        try:
            return original(self, idx)
        except Exception as error:
            if isinstance(error, IndexError) and isinstance(idx, int) and idx >= len(self):
                raise  # it ends a loop over the dataset
            sample = _name(self, idx)
            if isinstance(error, SampleError) or (
                isinstance(error, ValueError | OSError) and sample in str(error)
            ):
                raise
            text = " ".join(str(error).split()) or _line(error)
            raise SampleError(
                f"{sample}: {type(error).__name__}{_transform(error)}: {text}"
            ) from error

    prepare_data.names_the_sample = True  # type: ignore[attr-defined]
    base.prepare_data = prepare_data


def _name(dataset: Any, idx: Any) -> str:
    try:
        return str(dataset.get_data_info(idx)["img_path"])
    except Exception:  # the record may be what is wrong, or be of another kind
        return f"sample {idx} of {dataset.ann_file or type(dataset).__name__}"


def _line(error: Exception) -> str:
    """Return the line of code that raised an error without a message, such as a bare assert."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "no message"
    return f"{os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}: {frames[-1].line}"


def _transform(error: Exception) -> str:
    """Return the transform that raised the error, if one did."""
    code = importlib.import_module("mmengine.dataset.base_dataset").Compose.__call__.__code__
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    transforms = [frame.f_locals.get("t") for frame in frames if frame.f_code is code]
    return f" in {type(transforms[-1]).__name__}" if transforms else ""
