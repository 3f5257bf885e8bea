"""Visualization of instances: masks, boxes, names and close-ups of mask edges."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "class_color": "instances",
    "draw_closeups": "instances",
    "draw_instances": "instances",
    "draw_side_by_side": "instances",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.visualization.instances import class_color as class_color
    from condinst.visualization.instances import draw_closeups as draw_closeups
    from condinst.visualization.instances import draw_instances as draw_instances
    from condinst.visualization.instances import draw_side_by_side as draw_side_by_side
else:
    __getattr__ = lazy_names(__name__, _MODULES)
