"""Stand-in for ``mmcv._ext``, mmcv's compiled operators, on torch and torchvision.

Upstream bug: mmcv 2.1.0 has no wheels for current PyTorch and its source build fails there;
mmcv-lite ships the Python half of ``mmcv.ops`` without the compiled half, and mmdet 3.3.0 cannot
be imported without it. Delete this folder when mmcv publishes wheels for the PyTorch in use.

Loaded under the name ``mmcv._ext``, possibly in a data-loader worker that never imports condinst,
so it imports nothing of condinst, mmcv or mmdet. The imports of its own files are relative, because
these files are submodules of ``mmcv._ext`` there.

Names, argument names and conventions are those of ``mmcv/ops/*.py``: results are written into
tensors that the caller hands in. An operator that is not here exists all the same (mmcv checks on
import) and raises NotImplementedError when called.

Half and bfloat16 inputs are computed in float32 and rounded once, at the end.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from .deformable import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from .focal_loss import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward
from .pooling import roi_align_backward, roi_align_forward
from .support import refuse
from .suppression import nms, softnms

__all__ = [
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "get_compiler_version",
    "get_compiling_cuda_version",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
    "nms",
    "roi_align_backward",
    "roi_align_forward",
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softnms",
]


def __getattr__(name: str) -> Callable[..., NoReturn]:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def missing_operator(*args: Any, **kwargs: Any) -> NoReturn:
        refuse(f"operator '{name}'")

    return missing_operator


def get_compiler_version() -> str:
    return "none (condinst's stand-in on torch and torchvision)"


def get_compiling_cuda_version() -> str:
    return "not available"
