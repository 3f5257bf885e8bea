"""Visualization of instances: masks, boxes, names and close-ups of mask edges."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "class_color": "instances",
    "draw_closeups": "instances",
    "draw_instances": "instances",
    "draw_side_by_side": "instances",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
