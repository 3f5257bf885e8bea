"""A pickle module for ``torch.load`` that builds only what is on a list, for torch before 2.6.

There, weights-only loading has no list that we could add to, or one that cannot name numpy's
functions as both generations of numpy do. Delete when the oldest torch we support is 2.6.
"""

import codecs
import pickle
from _compat_pickle import IMPORT_MAPPING
from typing import Any, BinaryIO

from torch import _weights_only_unpickler

allowed: dict[str, Any] = {
    "_codecs.encode": codecs.encode,
    "builtins.bytearray": bytearray,
    "builtins.complex": complex,
    "builtins.set": set,
}
"""What may be built beyond torch's own list, by its name in the pickle; newer torch lists these."""


class Unpickler(pickle.Unpickler):
    """Refuses every global that is not on one of the two lists; torch adds its storages."""

    def find_class(self, module: str, name: str) -> Any:
        path = f"{IMPORT_MAPPING.get(module, module)}.{name}"  # as Python 2 called them
        for names in (_weights_only_unpickler._get_allowed_globals(), allowed):
            if path in names:
                return names[path]
        raise pickle.UnpicklingError(f"GLOBAL {path} is not allowed")


def load(file: BinaryIO, **options: Any) -> Any:
    return Unpickler(file, **options).load()
