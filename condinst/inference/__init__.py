"""Prediction in Python programs: ``Predictor``, and the base class of all predictors."""

from condinst.utils.lazy import lazy_names

_MODULES = {
    "BasePredictor": "base",
    "Predictor": "predictor",
    "optimize_for_inference": "condinst.models.optimize",
}

__all__ = [*_MODULES]
__getattr__ = lazy_names(__name__, _MODULES)
