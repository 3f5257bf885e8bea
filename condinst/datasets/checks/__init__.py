"""Check the data of a config before a run starts."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "DatasetReport": "checks",
    "check_datasets": "checks",
    "check_input": "input_checks",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.datasets.checks.checks import DatasetReport as DatasetReport
    from condinst.datasets.checks.checks import check_datasets as check_datasets
    from condinst.datasets.checks.input_checks import check_input as check_input
else:
    __getattr__ = lazy_names(__name__, _MODULES)
