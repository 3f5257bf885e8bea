"""Importing this module checks that the packages that training needs are installed.

Packages of ours that need them import it first, so that the error says what to install.
"""

from condinst.compat import require_packages

require_packages()
