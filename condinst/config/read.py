"""Read a config file, or say in one line what is wrong with it."""

from __future__ import annotations

import inspect
import os
import tempfile
import traceback
from pathlib import Path
from typing import Any

from mmengine.config import Config

from condinst.config.problem import ConfigError, wrong
from condinst.utils.files import is_disk_error

CHECKPOINT_SUFFIXES = {".pth", ".pt", ".ckpt", ".bin", ".safetensors"}
_SUFFIXES = (".py", ".json", ".yaml", ".yml")
_MAX_BYTES = 20_000_000


def read_config_file(path: str | os.PathLike[str]) -> Config:
    """Read a config file, with all that it inherits.

    Raises:
        ConfigError: the file cannot be read, or is empty.
        OSError: mmengine's copy of it, in a temporary folder, cannot be written.
    """
    file = Path(path)
    if file.is_dir():
        raise ConfigError(
            f"config {path}: is a folder, expected a config file, such as {path}/a.py"
        )
    if file.suffix in CHECKPOINT_SUFFIXES:
        raise ConfigError(
            f"{path}: this is a checkpoint, expected a config (.py); a config comes before its "
            "checkpoint"
        )
    if file.suffix not in _SUFFIXES:
        raise ConfigError(f"config {path}: expected a file that ends in {', '.join(_SUFFIXES)}")
    if file.is_file() and file.stat().st_size > _MAX_BYTES:
        size = file.stat().st_size
        raise ConfigError(f"config {path}: has {size:,} bytes, expected at most {_MAX_BYTES:,}")
    tempfile.gettempdir()  # without one, mmengine fails with an UnboundLocalError
    try:
        cfg = Config.fromfile(path)
        found = list(cfg)
        name_types(cfg)
    except RecursionError as error:
        raise ConfigError(
            f"config {path}: inherits from itself, or is nested too deep; see its _base_"
        ) from error
    except (AttributeError, TypeError) as error:
        if file.suffix != ".py":
            raise ConfigError(
                f"config {path}: expected names with values, as JSON or YAML"
            ) from error
        raise ConfigError(f"config {path}: {_reading_text(error, file)}") from error
    except ImportError as error:
        raise ConfigError(f"config {path}: {_import_text(error)}") from error
    # a config is a program, which may also call sys.exit
    except (Exception, SystemExit) as error:
        if is_disk_error(error):  # of mmengine's copy in a temporary folder
            raise
        raise ConfigError(f"config {path}: {_reading_text(error, file)}") from error
    if not found:
        raise ConfigError(f"config {path}: says nothing, expected at least a model")
    return cfg


def name_types(cfg: Config) -> None:
    """Replace the classes of a config in mmengine's new style by the names of their registries.

    In that style a config imports its classes (``type=CondInst``). By name, all checks, commands
    and stored copies are those of any other config. A class that is in no registry stays.
    """
    scope = cfg.get("default_scope")
    if scope is None:  # as in mmdet's own files of this style; names need one
        is_ours = str(getattr(_model_type(cfg), "__module__", "")).startswith("condinst.")
        scope = "condinst" if is_ours else "mmdet"
    seen: dict[Any, str | None] = {}

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                value[key] = named(value[key])
        elif type(value) in (list, tuple):
            return type(value)(named(item) for item in value)
        elif inspect.isclass(value) or inspect.isfunction(value):
            if value not in seen:
                from condinst.config.arguments import registered_name

                seen[value] = registered_name(value, scope)
            return seen[value] or value
        return value

    for key in list(cfg):
        value = cfg[key]
        if inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value):
            cfg.pop(key)  # what the file imports is no setting
        else:
            cfg[key] = named(value)
    if any(seen.values()):
        cfg.default_scope = scope


def _model_type(cfg: Config) -> Any:
    model = cfg.get("model")
    return model.get("type") if isinstance(model, dict) else None


def import_custom(cfg: Config, name: str) -> None:
    """Import the modules of ``custom_imports``, which mmengine does only when it reads a file.

    Raises:
        ConfigError: a module cannot be imported.
    """
    from mmengine.utils import import_modules_from_strings

    try:
        import_modules_from_strings(**(cfg.get("custom_imports") or {}))
    except Exception as error:
        text = _import_text(error) if isinstance(error, ImportError) else one_line(error)
        raise ConfigError(f"{name}: {text}") from error


def _reading_text(error: BaseException, file: Path) -> str:
    """Return what is wrong with the text of a config."""
    if isinstance(error, UnicodeDecodeError):
        return f"is not text in UTF-8 (byte {error.start}); save it as UTF-8"
    if isinstance(error, SyntaxError) and "U+FEFF" in str(error):
        return "begins with a byte order mark; save it as UTF-8 without one"
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if frames and frames[-1].f_code.co_name in ("_get_cfg_path", "get_cfg_path"):
        base = frames[-1].f_locals.get("cfg_path")
        if not isinstance(base, str):
            return wrong("_base_", base, "the path of a config, or a list of paths")
    if "import_modules_from_strings() argument" in str(error):
        return "custom_imports: expected a dict with imports, a list of modules"
    text = one_line(error).replace("(<unknown>, line", "(line")
    # mmengine runs a config with this name in its globals
    own = [frame for frame in frames if "_base_" in frame.f_globals]
    if own:
        name, line = own[-1].f_code.co_filename, own[-1].f_lineno
        text += f" (line {line})" if name == str(file.absolute()) else f" ({name}, line {line})"
    return text


def _import_text(error: ImportError) -> str:
    """Return what cannot be imported: mmengine's own text lists the whole sys.path instead."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    text = one_line(causes[-1])
    if len(causes) == 1:
        return text
    return f"custom_imports: {text}; modules are searched in the folders of PYTHONPATH"


def one_line(error: BaseException) -> str:
    """Return an error's type and text in one line."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    text = " ".join(text.split())
    return f"{type(error).__name__}: {text[:600]}" if text else type(error).__name__
