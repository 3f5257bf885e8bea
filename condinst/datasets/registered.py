"""Import all datasets and transforms, which registers them."""

import condinst.compat.needed  # noqa: F401
from condinst import datasets

for _name in datasets.__all__:
    getattr(datasets, _name)
