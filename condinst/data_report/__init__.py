"""A report on datasets: what they hold, what is wrong with them, and a repaired copy.

sources = [read_source("train.json"), read_source("val.json")]
examinations = examine(sources)
write_page("report.html", examinations)
repair(examinations, "repaired")
"""

from condinst.data_report.data_page import write_page
from condinst.data_report.examination import Examination, examine
from condinst.data_report.fix import Repaired, check_folder, repair
from condinst.data_report.report_source import ReportSource, read_source
from condinst.data_report.text_report import as_dict, findings, repair_findings

__all__ = [
    "Examination",
    "Repaired",
    "ReportSource",
    "as_dict",
    "check_folder",
    "examine",
    "findings",
    "read_source",
    "repair",
    "repair_findings",
    "write_page",
]
