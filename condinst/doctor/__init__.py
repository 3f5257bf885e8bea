"""Check the installation, the machine and a config.

Each module has ``check(...) -> list[Finding]``, which does not raise. Modules import only the
standard library at the top, because the packages they check may be missing or broken.
"""

from condinst.doctor.finding import Finding, as_dict, as_text, count_issues, worst

__all__ = ["Finding", "as_dict", "as_text", "count_issues", "worst"]
