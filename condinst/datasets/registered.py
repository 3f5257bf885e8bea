"""Import all datasets and transforms, which registers them."""

from condinst import datasets

for _name in datasets.__all__:
    getattr(datasets, _name)
