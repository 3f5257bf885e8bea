"""One page of results after a training: ``condinst report``, and ReportHook at the end of a run."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {"write_report": "report_page", "write_test_report": "report_page"}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.report.report_page import write_report as write_report
    from condinst.report.report_page import write_test_report as write_test_report
else:
    __getattr__ = lazy_names(__name__, _MODULES)
