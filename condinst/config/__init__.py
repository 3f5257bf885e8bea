"""Configs: reading a file, and checking what it says before anything is built."""

from condinst.config.blame import blaming
from condinst.config.check import check_config
from condinst.config.overrides import override
from condinst.config.problem import ConfigError
from condinst.config.read import read_config_file

__all__ = ["ConfigError", "blaming", "check_config", "override", "read_config_file"]
