"""Testing with several views of an image: test-time augmentation and tiles."""

from condinst.models.test_time.tiled import CondInstTiles
from condinst.models.test_time.tta import CondInstTTA

__all__ = ["CondInstTTA", "CondInstTiles"]
