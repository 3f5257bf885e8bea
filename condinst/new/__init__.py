"""Write a readable config for a user's dataset, for ``condinst new``.

``facts`` and ``inputs`` measure the data, ``resources`` the machine, and ``models`` lists the
models. ``views``, ``schedule`` and ``plan`` choose the settings. ``text`` and ``text_training``
format them by ``lines``, and ``creation`` writes the file.
"""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {"Created": "creation", "create": "creation"}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.new.creation import Created as Created
    from condinst.new.creation import create as create
else:
    __getattr__ = lazy_names(__name__, _MODULES)
