"""Prediction in programs: ``Predictor``, what exported files share with it, and making it fast."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "BasePredictor": "base",
    "Predictor": "predictor",
    "optimize_for_inference": "condinst.models.optimize",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
