"""Check the data of a config before a run starts."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "DatasetReport": "checks",
    "check_datasets": "checks",
    "check_input": "input_checks",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
