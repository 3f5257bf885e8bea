"""The results of prediction on one image, in all common formats."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Instance": "results",
    "Results": "results",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.results.results import Instance as Instance
    from condinst.results.results import Results as Results
else:
    __getattr__ = lazy_names(__name__, _MODULES)
