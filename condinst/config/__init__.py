"""Configs: reading a file, and checking what it says before anything is built."""

from .blame import blaming
from .check import check_config
from .problem import ConfigError
from .read import read_config_file

__all__ = ["ConfigError", "blaming", "check_config", "read_config_file"]
