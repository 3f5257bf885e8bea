"""Fix the installed mmcv, mmengine and mmdet; nothing else depends on their versions.

=====================  ============================================================================
``after_import``       applies a fix when the module that it changes is imported, not before
``finder``             finds the stand-ins below where mmcv or mmengine lack a module
``mmcv_ext``           stand-in for ``mmcv._ext``: the compiled operators, on torch and torchvision
``package_utils``      stand-in for ``mmengine.utils.package_utils``, which needs ``pkg_resources``
``base_configs``       ``_base_ = "condinst::..."`` finds our configs, installed or in a checkout
``packages``           the same for an mmengine imported before condinst; no ``find_loader``
``checkpoint``         checkpoints load by an allow-list
``checkpoint_file``    checks structure and checksums of a file before it is unpickled
``checkpoint_list``    the allow-list: what a checkpoint may build
``checkpoint_arrays``  numpy's plain arrays on that list
``checkpoint_refusal`` the errors that refuse a checkpoint
``restricted_pickle``  the reader that builds only what is on the list
``checkpoint_content`` checks that a loaded checkpoint is plain data of bounded size
``resume_config``      resuming does not run the checkpoint's config
``inferencer``         mmdet's inferencer does not run it either
``stored_config``      reads that config as plain values
``checkpoint_writing`` checkpoints are written whole, and only a run's own are removed
``checkpoint_store``   writes and removes the files of checkpoints
``checkpoint_search``  a resumed run continues from the newest whole checkpoint of its folder
``distributed``        the launchers start without CUDA
``rendezvous``         restarted processes find each other, and not those of the last start
``heartbeat``          a lost process is noticed and named
``fsdp``               FSDP trains our models, and on the CPU
``torchrun``           torchrun ends with one line
``workers``            spawned data-loader workers get the fixes too
``worker_signals``     data-loader workers leave a scheduler's signals to their parent
``data_order``         a resumed training continues with the data at once and exactly
``batches``            the order of its samples, and a seed for each of them
``random_state``       seeds and keeps the random generators
``sample_errors``      an error in a dataset's pipeline names the image
``instance_masks``     rotated, sheared and shifted masks fit the image
``random_shift``       masks are shifted with the image
``image_channels``     geometric transforms take images of any number of channels
``mask_arrays``        mmdet's tools draw masks of our classes
``lvis_numpy``         LVIS's evaluation runs with a numpy of today
``disk``               on a full disk, mmengine writes no half files and names the file
``log_text``           no control characters in mmengine's logs, which are UTF-8
``log_folders``        every start of a run has a log folder of its own
``needed``             names needed packages that are missing
``noise``              silences deprecation warnings that only upstream can act on
=====================  ============================================================================

Each file names the upstream bug that it fixes and says when it can be deleted. ``condinst.pth``
in site-packages runs ``finder`` when Python starts, for programs that import mmdet before condinst.
"""

import functools
import importlib
import importlib.util

from condinst.compat import finder
from condinst.compat.after_import import after_import

__all__ = ["apply", "explain_missing", "prepare", "require_packages"]

_NEEDED = {
    "torch": "pip install torch (or the build that PyTorch's install page names for your machine)",
    "torchvision": "pip install torchvision (the version that fits your torch)",
    "mmengine": "pip install mmengine==0.10.7",
    "mmcv": "pip install mmcv-lite==2.1.0 (or a compiled mmcv that fits your PyTorch)",
    "mmdet": "pip install mmdet==3.3.0",
    "pycocotools": "pip install pycocotools",
}

# The upstream module after whose import a fix can be applied, our module, and its function.
_FIXES = (
    ("mmengine.runner", "checkpoint", "apply"),
    ("mmengine.runner", "resume_config", "apply"),
    ("mmengine.infer.infer", "inferencer", "apply"),
    ("mmengine.runner", "checkpoint_writing", "apply"),
    ("mmengine.runner", "checkpoint_search", "apply"),
    ("multiprocessing.queues", "workers", "apply"),
    ("torch.utils.data._utils.signal_handling", "worker_signals", "apply"),
    ("mmengine.runner", "packages", "apply"),
    ("mmengine.runner.loops", "data_order", "apply"),
    ("mmengine.dataset.base_dataset", "sample_errors", "apply"),
    ("mmengine.config.config", "base_configs", "apply"),
    ("mmengine.hub.hub", "base_configs", "fix_hub"),
    ("mmengine.utils.dl_utils.misc", "packages", "fix_search"),
    ("mmcv.utils.ext_loader", "packages", "fix_search"),
    ("mmengine.dist.utils", "distributed", "fix_launchers"),
    ("mmengine.model.wrappers.distributed", "distributed", "fix_wrapper"),
    ("mmdet.structures.mask.structures", "instance_masks", "apply"),
    ("mmdet.datasets.transforms.transforms", "random_shift", "apply"),
    ("mmdet.datasets.transforms.geometric", "image_channels", "apply"),
    ("mmdet.datasets.transforms.transforms", "image_channels", "fix_transforms"),
    ("mmdet.models.utils.misc", "mask_arrays", "apply"),
    ("lvis.eval", "lvis_numpy", "apply"),
    ("mmengine.fileio.file_client", "noise", "apply"),
    ("mmengine.config.config", "disk", "apply"),
    ("mmengine.visualization.vis_backend", "disk", "apply"),
    ("mmengine.logging.logger", "disk", "apply"),
    ("mmengine.logging.logger", "log_text", "apply"),
    ("mmengine.runner", "log_folders", "apply"),
)


def prepare() -> None:
    """Apply each fix as soon as the module that it changes is imported.

    The function imports nothing but the standard library, so that ``import condinst`` is quick, and
    works where only ``condinst.deploy`` is used and PyTorch is not installed.
    """
    finder.install()
    for upstream, name, function in _FIXES:
        after_import(upstream, functools.partial(_apply, upstream, name, function))


def _apply(upstream: str, name: str, function: str) -> None:
    getattr(importlib.import_module(f"condinst.compat.{name}"), function)(upstream)


@functools.cache
def apply() -> None:
    """Import the installed mmcv, mmengine and mmdet, with all fixes applied.

    Raises:
        ImportError: one of the three is not installed, or a compiled mmcv does not fit the
            installed PyTorch; the message says what to install.
    """
    require_packages()
    for upstream, _, _ in _FIXES:
        if not upstream.startswith(("mmdet.", "lvis.")):  # slow to import, or not installed
            importlib.import_module(upstream)
    _require_operators()


def require_packages() -> None:
    """Check that PyTorch, mmengine, mmcv, mmdet and pycocotools are installed; import none of them.

    Raises:
        ModuleNotFoundError: packages are missing; the message says what to install.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        wanted = "; ".join(f"{name}: {_NEEDED[name]}" for name in missing)
        raise ModuleNotFoundError(f"condinst needs {wanted}", name=missing[0])


def explain_missing(name: str) -> str | None:
    """Return what to install where a package is missing, None for packages not checked here."""
    package = name.partition(".")[0]
    return f"condinst needs {package}: {_NEEDED[package]}" if package in _NEEDED else None


def _require_operators() -> None:
    """Import the operators now, so that a compiled mmcv that cannot work is named."""
    try:
        importlib.import_module("mmcv._ext")
    except ImportError as error:
        raise ImportError(
            f"the compiled mmcv does not fit this PyTorch ({error}): build it again, or replace "
            "it: pip uninstall mmcv && pip install mmcv-lite==2.1.0"
        ) from error
