"""The network's export by PyTorch's two exporters."""

import pytest
from small_detector import image

from condinst.export import network
from condinst.export.agreement import BOUNDS, Agreement
from condinst.export.compared_runtimes import onnx_runtime
from condinst.export.onnx_model import build_onnx
from condinst.export.verify import CheckedImage, check


def refuse(*args):
    raise RuntimeError("not this one\nand more lines")


@pytest.mark.parametrize("fixed_size", [None, (90, 130)])
def test_the_older_exporter_where_the_newer_one_fails(detector, monkeypatch, fixed_size):
    monkeypatch.setattr(network, "_by_torch_export", refuse)
    exported = build_onnx(detector, fixed_size=fixed_size)
    sizes = [fixed_size] if fixed_size else [(90, 130), (64, 200)]
    chosen = [CheckedImage("", image(*size), size) for size in sizes]
    rows = check(detector, onnx_runtime(exported), chosen, BOUNDS["float32"])
    total = sum((row.agreement for row in rows), Agreement())
    assert total.failures(BOUNDS["float32"]) == []
    assert total.matched == 30 * len(sizes)


def test_both_reasons_in_one_line(detector, monkeypatch):
    for name in ("_by_torch_export", "_by_torchscript"):
        monkeypatch.setattr(network, name, refuse)
    with pytest.raises(ValueError, match="cannot export this network to ONNX; .*: not this one; "):
        build_onnx(detector)
