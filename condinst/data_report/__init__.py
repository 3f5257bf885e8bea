"""A report on data sets: what they hold, what is wrong with them, and a repaired copy.

sources = [read_source("train.json"), read_source("val.json")]
examinations = examine(sources)
write_page("report.html", examinations)
repair(examinations, "repaired")
"""

from .examination import Examination, examine
from .source import Source, read_source

__all__ = ["Examination", "Source", "examine", "read_source"]
