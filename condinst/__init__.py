"""CondInst: conditional convolutions for instance segmentation (ECCV 2020).

Importing the package is quick and needs neither PyTorch nor mmdet. It makes the installed mmcv,
mmengine and mmdet work together as soon as they are imported (:mod:`condinst.compat`); our classes
are registered under the scope ``condinst`` as soon as a config names one, or
:mod:`condinst.registry` or one of the packages below is imported.
"""

import importlib
from typing import TYPE_CHECKING, Any

from condinst import compat
from condinst.version import __version__

compat.prepare()

_PACKAGES = ("datasets", "engine", "evaluation", "models")
# the modules of the names that the package exports
_EXPORTS = {
    "Predictor": "condinst.inference.predictor",
    "Results": "condinst.results.results",
    "list_models": "condinst.model_zoo",
}

__all__ = ["__version__", *_PACKAGES, *_EXPORTS]

if TYPE_CHECKING:
    from condinst import datasets as datasets
    from condinst import engine as engine
    from condinst import evaluation as evaluation
    from condinst import models as models
    from condinst.inference.predictor import Predictor as Predictor
    from condinst.model_zoo import list_models as list_models
    from condinst.results.results import Results as Results
else:

    def __getattr__(name: str) -> Any:
        if name in _PACKAGES:
            compat.require_packages()
            return importlib.import_module(f"condinst.{name}")
        if name in _EXPORTS:
            if name == "Predictor":  # the others need neither PyTorch nor mmdet
                compat.require_packages()
            return getattr(importlib.import_module(_EXPORTS[name]), name)
        from condinst.utils.arguments import did_you_mean

        hint = did_you_mean(name, __all__)
        raise AttributeError(f"module 'condinst' has no attribute {name!r}{hint}", name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
