"""Build timm's models and read their weights, with errors that say what to do."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.utils import digit_version
from torch import Tensor, nn

from condinst.checkpoints.model_check import find_misfit
from condinst.compat.checkpoint import load_from_local
from condinst.utils.optional import import_failure

# Older versions change the first convolution of a file that already fits the images' channels.
_OLDEST = "1.0.31"

# Most tensor names that an error lists.
_NUM_LISTED = 5

# Arguments that let models made for one image size take any size, if they can.
_ANY_SIZE = ("strict_img_size", False), ("dynamic_img_size", True)


def import_timm() -> ModuleType:
    """Import timm when the first model needs it.

    Raises:
        ImportError: timm is not installed, or too old.
    """
    try:
        import timm
    except ImportError as error:
        raise import_failure(
            "TimmBackbone needs timm", "timm", "pip install timm", error
        ) from error
    if digit_version(timm.__version__) < digit_version(_OLDEST):
        raise ImportError(
            f"TimmBackbone needs timm {_OLDEST} or later, found {timm.__version__}: "
            "pip install --upgrade timm"
        )
    return timm


def build_features(
    name: str, out_indices: Sequence[int] | None, kwargs: Mapping[str, Any], **source: Any
) -> Any:
    """Build a timm model that returns its levels, for images of any size.

    Args:
        name: timm's name of the model.
        out_indices: timm's indices of the levels; None for timm's choice.
        kwargs: arguments of the timm model.
        **source: timm's arguments that name the weights; without them, weights are random.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm has no such model, the model has no such levels, or it takes one image size
            only.
    """
    timm = import_timm()
    _check_name(timm, name)
    settings = {"features_only": True, **kwargs, **source}
    if out_indices is not None:
        settings["out_indices"] = tuple(out_indices)
    net = _create(name, settings)
    given = {"img_size", *(key for key, _ in _ANY_SIZE)} & set(kwargs)
    if given or not net.pretrained_cfg.get("fixed_input_size"):
        return net
    for key, value in _ANY_SIZE:
        try:
            return timm.create_model(name, **settings, **{key: value})
        except TypeError as error:
            if key not in str(error):
                raise
    raise ValueError(
        f"backbone.model_name={name!r} is made for images of "
        f"{net.pretrained_cfg['input_size'][-2:]} pixels alone, expected a model for any size; "
        "with backbone.img_size=(HEIGHT, WIDTH), where timm takes it, all images need that size"
    )


def _create(name: str, settings: dict[str, Any]) -> Any:
    """Create a model; raise a clear error if it has no such levels."""
    timm = import_timm()
    try:
        return timm.create_model(name, **settings)
    except (IndexError, AssertionError) as error:
        indices = settings.pop("out_indices", None)
        if indices is None:
            raise
        levels = timm.create_model(name, **{**settings, "pretrained": False}).feature_info.info
        raise ValueError(
            f"backbone.out_indices={indices}: expected indices from 0 to {len(levels) - 1} for "
            f"{name!r}, whose levels have the strides {[level['reduction'] for level in levels]}"
        ) from error


def _check_name(timm: ModuleType, name: str) -> None:
    if ":" in name:  # "hf-hub:..." and "local-dir:..." are not in timm's lists
        return
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        close = difflib.get_close_matches(base, timm.list_models(), 3, 0.6)
        hint = f"did you mean {' or '.join(close)}?" if close else "see timm.list_models()"
        raise ValueError(
            f"backbone.model_name={name!r}: timm {timm.__version__} has no such model; {hint}"
        )
    tagged = timm.list_pretrained(f"{base}.*")
    if tag and name not in tagged:
        raise ValueError(
            f"backbone.model_name={name!r}: timm {timm.__version__} has no such weights; "
            f"expected one of {', '.join([base, *tagged])}"
        )


def fetched_weights(
    name: str, out_indices: Sequence[int], kwargs: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the state dict of :func:`build_features` with timm's weights.

    The weights are downloaded or come from the cache.

    Raises:
        ConnectionError: the weights cannot be downloaded.
        ValueError: timm has no weights for this model.
    """
    timm = import_timm()
    cfg = timm.get_pretrained_cfg(name)
    if cfg is not None and not cfg.has_weights:
        raise ValueError(
            f"backbone.pretrained=True: timm has no weights for {name!r}; expected another model, "
            "or a file as backbone.checkpoint_path"
        )
    try:
        return build_features(name, out_indices, kwargs, pretrained=True).state_dict()
    except Exception as error:  # several libraries download, each with its own errors
        reason = " ".join(str(error).split())[:200]
        raise ConnectionError(
            f"backbone.pretrained=True: the weights of {name!r} could not be downloaded "
            f"({type(error).__name__}: {reason}); without a network, set backbone.checkpoint_path "
            "to a file of them, or copy the cache of a machine that has downloaded them "
            "(the folder of the environment variable HF_HOME)"
        ) from error


def weights_of_file(
    path: str, name: str, out_indices: Sequence[int], kwargs: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the state dict of :func:`build_features` with the weights of a file.

    The file may lack the classifier, or have one of any number of classes.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file cannot be read, or its tensors are not those of the model.
    """
    timm = import_timm()
    weights = _read(path)
    # A user's own file may have been trained with other channels than timm's three.
    misfits = []
    for in_chans in dict.fromkeys((kwargs.get("in_chans", 3), 3)):
        whole = timm.create_model(name, **{**kwargs, "in_chans": in_chans})
        named, misfit = _fit(weights, whole)
        if not misfit:
            break
        misfits.append(misfit)
    else:
        raise ValueError(
            f"backbone.checkpoint_path={path}: not the weights of {name!r}: {misfits[0]}"
        )
    whole.load_state_dict(named, strict=False)  # only the classifier may be missing
    overlay = {"state_dict": whole.state_dict(), "input_size": (in_chans, 224, 224)}
    return build_features(
        name, out_indices, kwargs, pretrained=True, pretrained_cfg_overlay=overlay
    ).state_dict()


def _read(path: str) -> dict[str, Tensor]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"backbone.checkpoint_path={path}: there is no such file")
    try:
        weights = _weights_of(load_from_local(path, "cpu"))
    except Exception as error:  # from the reader, or because the content is no dict of weights
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"backbone.checkpoint_path={path}: cannot be read as weights, it is damaged or of "
            f"another kind ({type(error).__name__}: {reason})"
        ) from error
    if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(
            f"backbone.checkpoint_path={path}: expected a dict of tensors by name, or one under "
            "'state_dict' or 'model'"
        )
    return weights


def _weights_of(content: dict[str, Any]) -> dict[str, Tensor]:
    """Find the weights in a checkpoint of timm's training, averaged ones first.

    The prefixes of timm's wrappers are removed from the names.
    """
    from timm.models import clean_state_dict

    places = ("state_dict_ema", "model_ema", "state_dict", "model")
    inside = [key for key in places if content.get(key) is not None]
    return clean_state_dict(content[inside[0]] if inside else content)


def _fit(weights: dict[str, Tensor], whole: nn.Module) -> tuple[dict[str, Tensor], str]:
    """Return a file's weights by timm's names, and a text on what does not fit ("" if all does).

    For many models, timm has a function that converts the names of the original authors.
    """
    misfit = _misfit(weights, whole)
    rename: Callable[..., Any] | None = getattr(
        sys.modules[type(whole).__module__], "checkpoint_filter_fn", None
    )
    if misfit and rename is not None:
        try:
            renamed = rename(dict(weights), whole)
        except Exception:  # the function expects another kind of file
            return weights, misfit
        if not _misfit(renamed, whole):
            return _without_classifier(renamed, whole), ""
    return _without_classifier(weights, whole), misfit


def _misfit(weights: Mapping[str, Tensor], whole: nn.Module) -> str:
    found = _without_classifier(weights, whole)
    expected = _without_classifier(whole.state_dict(), whole)
    misfit = find_misfit(found, expected)
    missing = [name for name in misfit.missing if "num_batches_tracked" not in name]
    problems = []
    for what, names in (("missing", missing), ("unknown", misfit.unknown)):
        if names:
            problems.append(f"{len(names)} {what} ({', '.join(names[:_NUM_LISTED])}{_dots(names)})")
    shapes = [
        f"{name} {tuple(found[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in misfit.misshapen
    ]
    if shapes:
        listed = "; ".join(shapes[:_NUM_LISTED])
        problems.append(f"{len(shapes)} of another shape ({listed}{_dots(shapes)})")
    return ", ".join(problems)


def _dots(names: Sequence[str]) -> str:
    return ", ..." if len(names) > _NUM_LISTED else ""


def _without_classifier(weights: Mapping[str, Tensor], whole: Any) -> dict[str, Tensor]:
    classifiers = whole.pretrained_cfg.get("classifier") or ()
    heads = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    prefixes = tuple(f"{head}." for head in heads)
    return {name: value for name, value in weights.items() if not name.startswith(prefixes)}
