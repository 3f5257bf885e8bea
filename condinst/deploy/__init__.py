"""Prediction with exported detectors, without PyTorch: needs numpy, pillow and a runtime."""

from condinst.deploy.predictors import OnnxPredictor, OpenVinoPredictor

__all__ = ["OnnxPredictor", "OpenVinoPredictor"]
