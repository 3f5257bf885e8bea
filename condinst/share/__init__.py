"""Hand a model on: the folder of a model repository with its card, made from a training's report.

``folder`` collects the files, ``model_card`` writes the card. ``condinst.utils.hub`` uploads them.
"""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {"choose_checkpoint": "folder", "write_folder": "folder"}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.share.folder import choose_checkpoint as choose_checkpoint
    from condinst.share.folder import write_folder as write_folder
else:
    __getattr__ = lazy_names(__name__, _MODULES)
