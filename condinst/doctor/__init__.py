"""Looks through the installation, the machine and a config, and says what is wrong with them.

Every part is a module with ``check(...) -> list[Finding]``; none raises. Only the standard library
is imported at module level: what is looked at may be missing or broken.
"""

from condinst.doctor.finding import Finding, as_dict, as_text, worst

__all__ = ["Finding", "as_dict", "as_text", "worst"]
