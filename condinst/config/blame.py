"""Name the config key that causes the error when building, or the first batch of a loop, fails.

The checks before building cannot judge everything: only the network finds that a number of channels
does not fit the next layer. An error before the end of the first batch is almost always the
config's, so the user gets one line that names the key. A later error keeps its traceback.

The line is a ``ConfigError``, which the commands print. What mmengine was doing is read from the
frames of the traceback, because mmengine keeps the dict that it builds, the loop and the transform
in local variables only; to note them elsewhere would take a patch of each of these functions.
"""

from __future__ import annotations

import ast
import contextlib
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

from mmengine.config import Config

from condinst.config.problem import ConfigError, mark_in_run, wrong
from condinst.config.read import one_line
from condinst.config.rule import broken_rule
from condinst.utils.files import is_disk_error


@contextlib.contextmanager
def blaming(cfg: Config, stage: str = "building from the config") -> Iterator[None]:
    """Turn an error that the config has caused into one line.

    An error in the middle of a run passes unchanged, but for a mark that :func:`came_in_run` reads.

    Args:
        cfg: the config that names the parts.
        stage: what the block does outside the loops of a training or test, for the message.

    Raises:
        ConfigError: building, or the first batch of a loop, has failed.
    """
    try:
        yield
    except ConfigError:
        raise
    except OSError as error:
        if is_disk_error(error):  # no key is to blame
            raise
        _blame(error, cfg, stage)
    except Exception as error:
        _blame(error, cfg, stage)


def _blame(error: Exception, cfg: Config, stage: str) -> NoReturn:
    text = _explain(error, cfg, stage)
    if text is None:
        mark_in_run(error)
        raise error
    raise ConfigError(text) from error


def _unwritable(cfg: Any, path: str = "") -> str | None:
    """Return the first value of a config that cannot be written as Python, with its path."""
    if isinstance(cfg, dict | Config | list | tuple):
        plain = isinstance(cfg, list | tuple)
        for key in range(len(cfg)) if plain else cfg:
            place = f"{path}[{key}]" if plain else f"{path}.{key}".lstrip(".")
            if found := _unwritable(cfg[key], place):
                return found
        return None
    try:
        ast.parse(repr(cfg), mode="eval")
    except SyntaxError:
        return wrong(path, cfg, "a value that can be written to the work folder's config.py")
    return None


def _explain(error: Exception, cfg: Config, stage: str) -> str | None:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    loop = _loop(frames)
    if loop is not None and not _is_first(frames):
        return None
    if isinstance(error, SyntaxError) and (text := _unwritable(cfg)):  # mmengine's copy of it
        return text
    clear = isinstance(error, ValueError | OSError)
    words = " ".join(str(error).split())
    if clear and (loop is None or _is_ours(frames)):
        place = _built(frames, cfg)
        # torch's and mmengine's texts name no key
        if _is_ours(frames):
            text = str(error).strip()  # a list of problems keeps its lines
            # a run may have two metrics of a class, whose texts name the class
            return f"{place}: {text}" if place and "_evaluator" in place else text
        return words if place is None else f"{place}: {words}"
    built = _built(frames, cfg)
    place = built if built and loop is None else _step(frames) or _module(frames) or built
    stage = f"the first batch of {loop}" if loop else stage
    return f"{stage} fails" + (f" in {place}" if place else "") + f": {_text(error)}"


def _text(error: Exception) -> str:
    """Return the error in one line; for a data worker's, the last line of its traceback."""
    text = str(error)
    if "Original Traceback" in text:
        return text.strip().splitlines()[-1]
    if isinstance(error, AssertionError) and not text:
        return broken_rule(error) or one_line(error)
    return one_line(error)


def _is_ours(frames: list[FrameType]) -> bool:
    return str(frames[-1].f_globals.get("__name__")).startswith("condinst.")


_LOOPS = {
    "IterBasedTrainLoop": "training",
    "EpochBasedTrainLoop": "training",
    "ValLoop": "validation",
    "TestLoop": "testing",
}


def _loop_frames(frames: list[FrameType]) -> list[tuple[str, FrameType]]:
    found = []
    for frame in frames:
        runs = frame.f_code.co_name in ("run", "run_epoch", "run_iter")
        owner = frame.f_locals.get("self")
        if runs and owner is not None:
            kinds = [_LOOPS[k.__name__] for k in type(owner).__mro__ if k.__name__ in _LOOPS]
            if kinds:
                found.append((kinds[0], frame))
    return found


def _loop(frames: list[FrameType]) -> str | None:
    found = _loop_frames(frames)
    return found[-1][0] if found else None


def _is_first(frames: list[FrameType]) -> bool:
    """Tell whether the innermost loop is in its first batch, or in the first validation."""
    kind, frame = _loop_frames(frames)[-1]
    runner = frame.f_locals["self"].runner
    if kind == "training":
        return runner.iter == getattr(runner, "_condinst_first", 0)  # set when it resumes
    if kind == "validation":  # what a finished one leaves
        names = {name for name in runner.message_hub.log_scalars if name.startswith("val/")}
        return not names - {"val/time", "val/data_time"}
    return True


def built_node(frames: Sequence[FrameType]) -> dict[str, Any] | None:
    """Return the innermost dict of a config that mmengine was building, None if there was none."""
    from mmengine.registry import build_from_cfg

    for frame in reversed(frames):
        node = frame.f_locals.get("cfg") if frame.f_code is build_from_cfg.__code__ else None
        if isinstance(node, dict) and "type" in node:
            return node
    return None


def _built(frames: list[FrameType], cfg: Config) -> str | None:
    """Return the path and type of the innermost dict that was being built."""
    node = built_node(frames)
    if node is None:
        return None
    kind = node["type"]
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    path = _find(cfg, node, dict.__eq__) or _find(cfg, node, _alike)
    return f"{path} (type={name!r})" if path else f"type={name!r}"


def _find(
    root: Any, wanted: dict, same: Callable[[dict, dict], bool], path: str = ""
) -> str | None:
    """Return the path of a dict in a config."""
    if isinstance(root, dict | Config):
        if isinstance(root, dict) and root.get("type") == wanted["type"] and same(root, wanted):
            return path
        for key in root:
            found = _find(root[key], wanted, same, f"{path}.{key}" if path else str(key))
            if found:
                return found
    elif isinstance(root, list | tuple):
        for index, item in enumerate(root):
            found = _find(item, wanted, same, f"{path}[{index}]")
            if found:
                return found
    return None


def _alike(node: dict, wanted: dict) -> bool:
    """Tell whether two dicts may be the same: a builder may have added or removed keys."""
    plain = (str, int, float, bool, type(None))
    return all(
        wanted[key] == value
        for key, value in node.items()
        if key in wanted and isinstance(value, plain)
    )


def _step(frames: list[FrameType]) -> str | None:
    """Describe the step of a pipeline that failed."""
    from mmengine.dataset import Compose

    for frame in reversed(frames):
        owner, step = frame.f_locals.get("self"), frame.f_locals.get("t")
        if isinstance(owner, Compose) and step is not None and step in owner.transforms:
            index = owner.transforms.index(step)
            return f"step {index} of the pipeline, {type(step).__name__}"
    return None


def _module(frames: list[FrameType]) -> str | None:
    """Return the path in the model of the layer that failed."""
    from torch import nn

    owners = [frame.f_locals.get("self") for frame in frames]
    modules = [owner for owner in owners if isinstance(owner, nn.Module)]
    if not modules:
        return None
    names = {module: name for name, module in modules[0].named_modules()}
    own = [names[m] for m in modules if names.get(m)]
    return f"model.{own[-1]}" if own else "model"
