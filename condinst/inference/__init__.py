"""Prediction in Python programs: ``Predictor``, and the base class of all predictors."""

from typing import TYPE_CHECKING

from condinst.utils.lazy import lazy_names

_MODULES = {
    "BasePredictor": "base",
    "Predictor": "predictor",
    "optimize_for_inference": "condinst.models.optimize",
    "track": "tracking",
}

__all__ = [*_MODULES]

if TYPE_CHECKING:
    from condinst.inference.base import BasePredictor as BasePredictor
    from condinst.inference.predictor import Predictor as Predictor
    from condinst.inference.tracking import track as track
    from condinst.models.optimize import optimize_for_inference as optimize_for_inference
else:
    __getattr__ = lazy_names(__name__, _MODULES)
