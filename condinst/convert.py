"""The public names of :mod:`condinst.checkpoints`, which was ``condinst.convert`` before 0.1.0."""

from condinst.checkpoints import *  # noqa: F403
from condinst.checkpoints import __all__ as __all__
