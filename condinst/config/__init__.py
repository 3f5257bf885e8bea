"""Read configs, override their settings, and check them before anything is built."""

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
__getattr__ = lazy_names(__name__, _MODULES)
