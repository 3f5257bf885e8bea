"""Let configs outside the package inherit from ours by ``_base_ = "condinst::NAME.py"``.

Upstream bug (mmengine 0.10.7): ``mmengine.config`` knows the projects of OpenMMLab by a list,
and looks for their configs in the folder ``.mim`` of an installed package, which a checkout lacks.
Delete when mmengine lets a package say where its configs are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_PREFIX = "condinst::"


def apply(upstream: str) -> None:
    """Make ``mmengine.config.Config`` resolve our prefix; other paths are left to mmengine."""
    config: Any = vars(sys.modules[upstream])["Config"]
    theirs = config._get_cfg_path

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, Any]:
        if not cfg_path.startswith(_PREFIX):
            return theirs(cfg_path, filename)
        # no scope: our configs set default_scope themselves
        return str(shipped_config(cfg_path.removeprefix(_PREFIX))), None

    config._get_cfg_path = staticmethod(get_cfg_path)


def shipped_config(name: str) -> Path:
    """Return the path of a config that comes with the package.

    Args:
        name: relative to ``configs``, such as ``"_base_/default_runtime.py"``.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    folder = find_root() / "configs"
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(f"condinst::{name}: expected a config in {folder}")
    return path


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
