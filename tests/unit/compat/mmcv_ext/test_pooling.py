"""mmcv.ops.roi_align on the stand-in, against plain float64 loops."""

import mmcv_ext_reference as reference
import pytest
import torch
from mmcv import ops
from mmcv_ext_reference import as_float64, assert_equal, random
from torch.autograd import gradcheck

# The third box leaves the image, the fourth is smaller than one pixel.
ROIS = [[0, 3, 2, 20, 17], [1, 0, 0, 9, 30], [0, -14, 8, 5, 60], [1, 7.3, 7.1, 7.9, 7.2]]


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_roi_align(device: str, aligned: bool, sampling_ratio: int) -> None:
    features = random(device, 2, 2, 8, 9)
    rois = torch.tensor(ROIS, dtype=torch.float64, device=device)
    args = ((3, 2), 0.3, sampling_ratio, "avg", aligned)
    expected = reference.roi_align(
        *as_float64(features, rois), (3, 2), 0.3, sampling_ratio, aligned
    )
    assert_equal(ops.roi_align(features, rois, *args), expected)
    assert gradcheck(lambda x: ops.roi_align(x, rois, *args), (features,), nondet_tol=1e-10)


def test_roi_align_without_boxes(device: str) -> None:
    features = random(device, 1, 3, 5, 5)
    output = ops.roi_align(features, features.new_zeros(0, 5), 2)
    assert output.shape == (0, 3, 2, 2)
    output.sum().backward()
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_roi_align_in_bfloat16_rounds_once(device: str) -> None:
    features = random(device, 2, 2, 8, 9).detach().bfloat16().requires_grad_()
    rois = torch.tensor(ROIS, device=device).bfloat16()
    output = ops.roi_align(features, rois, 2, 0.25)
    expected = reference.roi_align(*as_float64(features, rois), (2, 2), 0.25, 0, True)
    assert output.dtype == torch.bfloat16
    assert_equal(output, expected, tolerance=2**-8)
    output.sum().backward()
    assert features.grad.dtype == torch.bfloat16


def test_roi_align_refuses_max_pooling() -> None:
    align = ops.RoIAlign(2, pool_mode="max")
    with pytest.raises(NotImplementedError, match="pool_mode='max'"):
        align(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5))
