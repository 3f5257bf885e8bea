"""Let packages import a module only when one of its names is used.

A type checker would take every name of such a package for ``Any``, so each package imports its
names under ``TYPE_CHECKING`` too, and defines ``__getattr__`` only where it runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from condinst.utils.arguments import did_you_mean

__all__ = ["lazy_names"]


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a package, which imports a module when its name is used.

    Args:
        package: the package's ``__name__``.
        modules: the module of each public name: in the package, or ``condinst.`` and its path.

    Raises:
        ValueError: a name is also that of its module. Python sets an imported module as an
            attribute of its package, where it would hide the name.
    """
    if hidden := [name for name, module in modules.items() if name == module]:
        raise ValueError(f"{package}: the module {hidden[0]} would hide the name {hidden[0]}")

    def getattr_of_package(name: str) -> Any:
        if name not in modules:
            hint = did_you_mean(name, modules)
            text = f"module {package!r} has no attribute {name!r}{hint}"
            raise AttributeError(text, name=name)  # with obj, Python would suggest once more
        module = modules[name]
        if not module.startswith("condinst."):
            module = f"{package}.{module}"
        return getattr(importlib.import_module(module), name)

    return getattr_of_package
