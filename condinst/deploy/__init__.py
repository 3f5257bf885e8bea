"""Exported detectors, run without PyTorch: numpy, pillow and a runtime are enough."""

from condinst.deploy.predictors import OnnxPredictor, OpenVinoPredictor

__all__ = ["OnnxPredictor", "OpenVinoPredictor"]
