"""The generated dataset "shapes": images of shapes with exact ground truth."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Scene": "scene",
    "draw_scene": "scene",
    "make_shapes": "generator",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
