"""One page of results after a training: ``condinst report``, and ReportHook at the end of a run."""

from condinst.utils.lazy import lazy_names

_MODULES = {"write_report": "report_page", "write_test_report": "report_page"}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
