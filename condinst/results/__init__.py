"""The results of prediction on one image, in all common formats."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Results": "results",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
