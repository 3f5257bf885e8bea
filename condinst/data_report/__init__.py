"""Report on datasets: their statistics, their issues, and a fixed copy.

Example::

    sources = [read_source("train.json"), read_source("val.json")]
    examinations = examine(sources)
    write_page("report.html", examinations)
    fix_files(examinations, "fixed")
"""

from condinst.data_report.data_page import write_page
from condinst.data_report.examination import Examination, examine, examine_file
from condinst.data_report.fix import FixedFile, check_folder, fix_files
from condinst.data_report.report_source import ReportSource, read_source
from condinst.data_report.text_report import as_dict, findings, fix_findings, places_of_errors

__all__ = [
    "Examination",
    "FixedFile",
    "ReportSource",
    "as_dict",
    "check_folder",
    "examine",
    "examine_file",
    "findings",
    "read_source",
    "fix_files",
    "fix_findings",
    "places_of_errors",
    "write_page",
]
