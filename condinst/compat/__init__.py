"""The only room that knows the age of mmcv, mmengine or mmdet."""

import functools
import importlib.util

from condinst.compat import finder

_NEEDED = {
    "mmengine": "pip install mmengine==0.10.7",
    "mmcv": "pip install mmcv-lite==2.1.0 (or a compiled mmcv that fits your PyTorch)",
    "mmdet": "pip install mmdet==3.3.0",
}


@functools.cache
def apply() -> None:
    """Make the installed mmcv, mmengine and mmdet work together; a second call changes nothing.

    Raises:
        ImportError: when one of the three is not installed; the message says what to install.
    """
    for name, remedy in _NEEDED.items():
        if importlib.util.find_spec(name) is None:
            raise ImportError(f"condinst needs {name}: {remedy}")
    finder.install()

    from condinst.compat import checkpoint, distributed, packages, workers

    packages.apply()
    checkpoint.apply()
    distributed.apply()
    workers.apply()
