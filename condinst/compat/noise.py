"""Silence upstream's warnings about upstream's own code, which a user can do nothing about.

Each is a deprecation that is harmless with the versions we support. Delete a line when the library
named in it has followed its own advice.
"""

import sys
import warnings
from typing import Any


def apply(upstream: str) -> None:
    """Ignore these warnings by the beginnings of their messages, and no others."""
    # mmdet 3.3.0 builds its grids of points with torch.meshgrid without the argument "indexing".
    warnings.filterwarnings("ignore", "torch.meshgrid: in an upcoming release", UserWarning)
    # mmengine 0.10.7 builds its gradient scaler under the old name.
    warnings.filterwarnings("ignore", r"`torch.cuda.amp.GradScaler\(args", FutureWarning)
    # mmengine 0.10.7's Runner names DistributedDataParallel's argument as it was until torch 2.14.
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
    # mmengine 0.10.7's CheckpointHook always makes a FileClient, which logs that it is deprecated.
    file_client: Any = sys.modules[upstream]
    file_client.print_log = lambda *args, **kwargs: None
