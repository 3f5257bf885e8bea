"""A report on data sets: what they hold, what is wrong with them, and a repaired copy.

sources = [read_source("train.json"), read_source("val.json")]
examinations = examine(sources)
write_page("report.html", examinations)
repair(examinations, "repaired")
"""

from .examination import Examination, examine
from .page import write_page
from .repair import Repaired, check_folder, repair
from .source import Source, read_source
from .summary import as_dict, findings, repair_findings

__all__ = [
    "Examination",
    "Repaired",
    "Source",
    "as_dict",
    "check_folder",
    "examine",
    "findings",
    "read_source",
    "repair",
    "repair_findings",
    "write_page",
]
