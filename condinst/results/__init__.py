"""What a detector found in one image, in every usual form."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Results": "results",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
