"""Detectors as files that run without mmdet: ONNX, OpenVINO, and the network by torch.export.

``network`` is what PyTorch's exporters write; ``builder``, ``boxes`` and ``masks`` write the
post-processing; ``onnx_model`` puts both into one model, ``quantize`` turns the network to int8.
``export`` makes files, and ``check`` compares them with the detector.
"""

from condinst.export.exporter import Export, Options, export_model
from condinst.export.onnx_model import build_onnx

__all__ = ["Export", "Options", "build_onnx", "export_model"]
