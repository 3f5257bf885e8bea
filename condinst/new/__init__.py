"""Write a readable config for a user's dataset, for ``condinst new``.

``facts`` and ``inputs`` measure the data, ``resources`` the machine, and ``models`` lists the
models. ``views``, ``schedule`` and ``plan`` choose the settings. ``text`` and ``text_training``
format them by ``lines``, and ``creation`` writes the file.
"""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

if TYPE_CHECKING:
    from condinst.new.creation import Created, create

__all__ = ["Created", "create"]

__getattr__ = lazy_names(__name__, {"Created": "creation", "create": "creation"})
