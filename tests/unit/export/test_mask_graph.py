"""Pieces of the mask graph in ONNX Runtime; torch's interpolation and ours are the oracles."""

import numpy as np
import pytest
import torch
from onnx import TensorProto

from condinst.export.builder import GraphBuilder
from condinst.export.compared_runtimes import onnx_runtime
from condinst.export.mask_graph import draw_masks
from condinst.export.settings import MaskSettings
from condinst.models.postprocess.masks import whole_masks
from condinst.models.upsample import aligned_upsample


@pytest.mark.parametrize(("feat_stride", "out_stride"), [(8, 4), (8, 8), (8, 2), (4, 4)])
@pytest.mark.parametrize("sizes", [((60, 90), (60, 90)), ((61, 83), (200, 40)), ((3, 64), (7, 9))])
def test_masks_are_those_of_whole_masks(feat_stride, out_stride, sizes):
    image_size, out_size = sizes
    cells = tuple(-(-side // 32) * 32 // feat_stride for side in image_size)
    logits = 3 * torch.randn(4, *cells, generator=torch.Generator().manual_seed(0))
    settings = MaskSettings((10, 8, 8, 1), feat_stride, out_stride, 8, 0.4, ())
    g = GraphBuilder("test/")
    image = [g.constant([side]) for side in image_size]
    out = [g.Slice("out_size", [i], [i + 1], [0]) for i in (0, 1)]
    masks = draw_masks(g, "images", image, out, settings)
    model = g.build(
        [("images", TensorProto.FLOAT, ["n", "h", "w"]), ("out_size", TensorProto.INT64, [2])],
        [("masks", masks, TensorProto.BOOL, ["n", "y", "x"])],
        18,
    )
    found = onnx_runtime(model)(logits.numpy(), np.array(out_size))["masks"]
    finer = aligned_upsample(logits[:, None], feat_stride // out_stride)[:, 0]
    expected = whole_masks(finer, out_stride, image_size, out_size, 0.4).numpy()
    assert found.shape == (4, *out_size)
    assert 0.2 < expected.mean() < 0.8
    # what lies on the threshold to the last bit may fall to either side
    assert np.count_nonzero(found != expected) <= 1e-4 * expected.size
