"""``condinst new``: a readable config for a dataset of one's own.

``facts`` looks at the data, ``machine`` at the device, ``models`` knows the models; ``views``,
``schedule`` and ``plan`` choose; ``text`` puts it into words; ``create`` writes the file.
"""

from condinst.new.create import Created, create

__all__ = ["Created", "create"]
