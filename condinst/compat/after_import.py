"""Call a function right after a module is imported.

That keeps ``import condinst`` quick, and free of PyTorch where only ``condinst.deploy`` is used.
"""

import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def after_import(module: str, function: Callable[[], None]) -> None:
    """Call the function now if the module is imported already, otherwise right after it is."""
    if module in sys.modules:
        function()
        return
    for finder in sys.meta_path:
        if isinstance(finder, _Watcher) and finder.module == module:
            finder.functions.append(function)
            return
    sys.meta_path.insert(0, _Watcher(module, function))


class _Watcher:
    """An entry of ``sys.meta_path`` that waits for one module."""

    def __init__(self, module: str, function: Callable[[], None]) -> None:
        self.module = module
        self.functions = [function]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_call(module: ModuleType) -> None:
            execute(module)
            if self in sys.meta_path:  # a spec can be looked up more than once
                sys.meta_path.remove(self)
                for function in self.functions:
                    function()

        loader.exec_module = execute_and_call
        return spec
