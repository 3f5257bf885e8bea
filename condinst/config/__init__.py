"""Read configs, override their settings, and check them before anything is built."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "ConfigError": "problem",
    "blaming": "blame",
    "build_model": "build",
    "check_config": "check",
    "override": "overrides",
    "read_config_file": "read",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.config.blame import blaming as blaming
    from condinst.config.build import build_model as build_model
    from condinst.config.check import check_config as check_config
    from condinst.config.overrides import override as override
    from condinst.config.problem import ConfigError as ConfigError
    from condinst.config.read import read_config_file as read_config_file
else:
    __getattr__ = lazy_names(__name__, _MODULES)
