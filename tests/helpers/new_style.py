"""Write a config in mmengine's new style: its types are classes that it imports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from condinst.config.arguments import find_class

__all__ = ["write_new_style"]


def write_new_style(cfg: Config, path: Path, scope: str | None = None) -> Path:
    """Write a config whose types of registered classes are the classes themselves.

    Args:
        cfg: a config of the scope condinst.
        path: the new file.
        scope: the ``default_scope`` of the new file; mmdet's own files of this style have None.
    """
    imports: dict[str, str] = {}

    def text(value: Any, key: str = "") -> str:
        if key == "type" and isinstance(value, str):
            with DefaultScope.overwrite_default_scope("condinst"):
                found: Any = find_class(value, None)
            name = getattr(found, "__name__", "")
            if found is None or value in ("nms", "Normal", "BN"):
                return repr(value)
            imports[name] = found.__module__
            return name
        if isinstance(value, dict):
            return f"dict({', '.join(f'{k}={text(v, k)}' for k, v in value.items())})"
        if isinstance(value, list | tuple):
            inner = ", ".join(text(item) for item in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
        return repr(value)

    content = {**cfg.to_dict(), "default_scope": scope, "custom_imports": None}
    lines = [f"{key} = {text(value)}" for key, value in content.items() if value is not None]
    lines += ["default_scope = None"] * (scope is None)
    head = [f"from {module} import {name}" for name, module in sorted(imports.items())]
    style = ["from mmengine.config import read_base", ""]
    path.write_text("\n".join([*style, *head, "", *lines, ""]))
    return path
