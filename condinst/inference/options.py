"""Suggest the right argument where a predictor gets one that it does not have."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from typing import Any

__all__ = ["unknown_options"]

# What other libraries call an argument of a call, and the way to it.
_THRESHOLD = "score_thr"
_ELSEWHERE = {
    **dict.fromkeys(
        (
            *("conf", "confidence", "threshold", "score_threshold", "conf_thres", "thr"),
            *("confidence_threshold", "pred_score_thr", "box_score_thr", "min_score"),
        ),
        _THRESHOLD,
    ),
    "tile_size": "did you mean tile?",
    "classes": 'choose them afterwards, results["person", "dog"]',
    "stream": "call predictor.stream(source)",
    "save": "call save() of the results",
    "show": "call show() of the results",
    "out_dir": "call save() of the results",
    "imgsz": "the config's test pipeline sets the size",
    "iou": "the config sets it, model.test_cfg.nms.iou_threshold",
    "max_det": "the config sets it, model.test_cfg.max_per_img",
    "half": 'Predictor(..., dtype="float16")',
}


def unknown_options(predictor: type[Any], given: Iterable[str]) -> str:
    """Return the message for arguments that a call of a predictor does not take."""
    name = next(iter(given))
    settings = [  # a constructor may pass settings on to that of its base class
        parameter.name
        for kind in predictor.__mro__
        if "__init__" in vars(kind) and kind is not object
        for parameter in list(inspect.signature(vars(kind)["__init__"]).parameters.values())[1:]
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    kind = predictor.__name__
    if name in settings:
        way = f"it is set once: {kind}(..., {name}=...)"
    elif name in _ELSEWHERE:
        way = _ELSEWHERE[name]
        way = f"did you mean {way}?" if way == _THRESHOLD else way
    else:
        near = difflib.get_close_matches(name, [_THRESHOLD, *settings], n=1)
        way = f"did you mean {near[0]}?" if near else f"a call takes source and {_THRESHOLD}"
    return f"{kind}: a call has no argument {name!r}; {way}"
