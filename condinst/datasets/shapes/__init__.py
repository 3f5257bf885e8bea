"""The generated dataset "shapes": images of shapes with exact ground truth."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "Scene": "scene",
    "draw_scene": "scene",
    "make_shapes": "generator",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.datasets.shapes.generator import make_shapes as make_shapes
    from condinst.datasets.shapes.scene import Scene as Scene
    from condinst.datasets.shapes.scene import draw_scene as draw_scene
else:
    __getattr__ = lazy_names(__name__, _MODULES)
