"""Export of detectors to files that run without mmdet: ONNX, OpenVINO and torch.export.

PyTorch's exporters write ``network``; ``builder``, ``box_graph`` and ``mask_graph`` write the
post-processing; ``onnx_model`` joins both in one model, and ``quantize`` converts the network to
int8. ``exporter`` writes the files, and ``verify`` compares them with the detector.
"""

import condinst.compat.needed  # noqa: F401
from condinst.export.exporter import Export, Options, export_model
from condinst.export.onnx_model import build_onnx

__all__ = ["Export", "Options", "build_onnx", "export_model"]
