"""Suggest what a name of other libraries is called here: of arguments, attributes and devices."""

from __future__ import annotations

import difflib
import inspect
import re
from abc import ABCMeta
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

__all__ = ["HintingMeta", "device_hint", "unknown_attribute", "unknown_options"]

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


# What other libraries call an argument of the constructor, beside those of a call.
_IN_CONSTRUCTOR = {
    **dict.fromkeys(("model", "weights", "model_path", "config_path"), "it comes first, unnamed"),
    **dict.fromkeys(("nms_thr", "iou_thr"), _ELSEWHERE["iou"]),
    **dict.fromkeys(("fp16", "half", "amp"), 'dtype="float16"'),
    "batch": "batch_size",
    "verbose": "a predictor prints nothing",
    "task": "every model finds instances",
}
# What other libraries call an attribute or a method of a predictor.
_ATTRIBUTES = {
    **dict.fromkeys(
        ("predict", "forward", "inference", "detect", "infer", "predict_image"),
        "call the predictor itself: predictor(source)",
    ),
    **dict.fromkeys(("names", "classes", "CLASSES", "labels"), "see class_names"),
    **dict.fromkeys(("conf", "threshold", "confidence"), "see score_thr"),
    **dict.fromkeys(("to", "cuda", "cpu"), "Predictor(..., device=...) sets the device"),
    **dict.fromkeys(("half", "float", "bfloat16"), 'Predictor(..., dtype="float16")'),
    **dict.fromkeys(("eval", "fuse"), "nothing to do: the model is ready for prediction"),
    "train": "condinst train trains",
    **dict.fromkeys(("val", "test", "evaluate"), "condinst test evaluates"),
    "export": "condinst export, or condinst.export.export_model",
    "track": "condinst.inference.track(predictor.stream(video), frame_rate)",
    "set_image": "call the predictor itself: predictor(source)",
    "info": "condinst info prints parameters and FLOPs",
}


class HintingMeta(ABCMeta):
    """Says in the TypeError of a constructor what an unknown argument is called here."""

    if not TYPE_CHECKING:  # a type checker must see the constructor itself

        def __call__(cls, *args: Any, **options: Any) -> Any:
            try:
                return super().__call__(*args, **options)
            except TypeError as error:
                found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
                if found is None or found[1] not in options or found[1] in _settings(cls):
                    raise
                text = f"{cls.__name__}: no argument {found[1]!r}; {_way(cls, found[1])}"
                raise TypeError(text) from None


def _way(predictor: type[Any], name: str) -> str:
    settings = _settings(predictor)
    way = _IN_CONSTRUCTOR.get(name) or _ELSEWHERE.get(name)
    if way is not None:
        return f"did you mean {way}?" if way in settings else way
    near = difflib.get_close_matches(name, settings, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(settings)}"


def unknown_attribute(name: str) -> str:
    """Return "; see ..." for an attribute that other libraries have, else an empty text."""
    return f"; {_ATTRIBUTES[name]}" if name in _ATTRIBUTES else ""


def device_hint(word: str) -> str:
    """Return "; did you mean cuda:0?" for "gpu0" and the like, else an empty text."""
    number = re.fullmatch(r"(?:gpu|cuda)?[:_ -]?(\d+)", word.lower())
    meant = f"cuda:{number[1]}" if number else {"gpu": "cuda"}.get(word.lower(), "")
    return f"; did you mean {meant}?" if meant else ""


def unknown_options(predictor: type[Any], given: Iterable[str]) -> str:
    """Return the message for arguments that a call of a predictor does not take."""
    name = next(iter(given))
    settings = _settings(predictor)
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


def _settings(predictor: type[Any]) -> list[str]:
    """Return the arguments of a constructor, which may pass on those of its base class."""
    names = [
        parameter.name
        for kind in predictor.__mro__
        if "__init__" in vars(kind) and kind is not object
        for parameter in list(inspect.signature(vars(kind)["__init__"]).parameters.values())[1:]
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    return list(dict.fromkeys(names))
