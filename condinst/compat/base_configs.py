"""Let configs outside the package inherit from ours by ``_base_ = "condinst::NAME.py"``.

Upstream bug (mmengine 0.10.7): ``mmengine.config`` knows the projects of OpenMMLab by a list,
and looks for their configs in the folder ``.mim`` of an installed package, which a checkout lacks.
Delete when mmengine lets a package say where its configs are.
"""

from __future__ import annotations

import difflib
import functools
import os.path
import sys
from pathlib import Path, PurePosixPath
from typing import Any

PREFIX = "condinst::"

# configs that `condinst new` wrote before a move name their base by its old place
_MOVED = {
    "_base_/small/condinst_r18_fpn.py": "small/condinst_r18_fpn.py",
    "_base_/small/boxinst_r18_fpn.py": "small/boxinst_r18_fpn.py",
}


def apply(upstream: str) -> None:
    """Make ``mmengine.config.Config`` resolve our prefix; other paths are left to mmengine."""
    config: Any = vars(sys.modules[upstream])["Config"]
    find_base, read_file = config._get_cfg_path, config.fromfile

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, Any]:
        if not cfg_path.startswith(PREFIX):
            return find_base(cfg_path, filename)
        # no scope: our configs set default_scope themselves
        return str(shipped_config(cfg_path)), None

    @functools.wraps(read_file)
    def fromfile(filename: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(filename, str) and filename.startswith(PREFIX):
            filename = shipped_config(filename)
        return read_file(filename, *args, **kwargs)

    config._get_cfg_path = staticmethod(get_cfg_path)
    config.fromfile = staticmethod(fromfile)


def fix_hub(upstream: str) -> None:
    """Make ``mmengine.hub.get_config`` and ``get_model`` resolve our prefix."""
    hub: Any = sys.modules[upstream]
    theirs = hub.get_config

    def get_config(cfg_path: str, pretrained: bool = False) -> Any:
        if not cfg_path.startswith(PREFIX):
            return theirs(cfg_path, pretrained)
        if pretrained:
            raise ValueError(
                f"{cfg_path}: pretrained=True is for packages of OpenMMLab; "
                "condinst.model_zoo.fetch(NAME) gets the weights of a model"
            )
        return hub.Config.fromfile(cfg_path)

    for module in (hub, sys.modules["mmengine.hub"]):
        vars(module)["get_config"] = get_config


def shipped_config(name: str) -> Path:
    """Return the path of a config that comes with the package.

    Args:
        name: path below ``configs``, such as ``"_base_/default_runtime.py"``, or the file's name
            without its folder; with or without ``condinst::``, and with or without ``.py``.

    Raises:
        FileNotFoundError: no config has that name; the message lists similar names.
    """
    path = find_shipped(name)
    if path is None:
        name = name.removeprefix(PREFIX)
        hint = f"; did you mean {' or '.join(near)}?" if (near := near_configs(name)) else ""
        raise FileNotFoundError(
            f"{PREFIX}{name}: expected a config in {find_root() / 'configs'}{hint}"
        )
    return path


def find_shipped(name: str) -> Path | None:
    """Return what :func:`shipped_config` does, or None if there is no such config."""
    name = name.removeprefix(PREFIX)
    name = name if name.endswith(".py") else f"{name}.py"
    path = find_root() / "configs" / _MOVED.get(name, name)
    if os.path.isfile(path):  # Path.is_file raises for names that are too long
        return path
    return None if "/" in name else shipped_configs().get(PurePosixPath(name).stem)


def shipped_configs() -> dict[str, Path]:
    """Return the configs that can be trained, by their names without folder and ending."""
    paths = sorted((find_root() / "configs").glob("*/*.py"))
    return {path.stem: path for path in paths if path.parent.name != "_base_"}


def near_configs(name: str) -> list[str]:
    """Return up to three names of shipped configs that resemble a name or path."""
    stem = name.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    return difflib.get_close_matches(stem, shipped_configs(), n=3, cutoff=0.8)


def find_root() -> Path:
    """Return the folder of ``model-index.yml`` and ``configs``: a checkout's, or the wheel's.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / ".mim", package.parent):
        if (root / "model-index.yml").is_file():
            return root
    raise FileNotFoundError(
        f"model-index.yml: expected in {package / '.mim'} (installed) or {package.parent} "
        "(a checkout); install condinst again"
    )
