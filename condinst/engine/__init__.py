"""Hooks and optimizer wrappers for training and testing."""

# A registry searches its parents' tables, but imports only its own location: mmdet's hooks, loops,
# optimizers and visualizers are found by their bare names once these two are imported.
import mmdet.engine  # noqa: F401
import mmdet.visualization  # noqa: F401

from condinst.engine.box_teacher_hook import BoxTeacherHook
from condinst.engine.checkpoint_hook import CompleteCheckpointHook
from condinst.engine.cpu_amp import CpuAmpOptimWrapper
from condinst.engine.curve_hook import CurveHook
from condinst.engine.early_stop import EarlyStopHook
from condinst.engine.inference_hook import InferenceHook
from condinst.engine.logged_images_hook import LoggedImagesHook
from condinst.engine.report_hook import ReportHook
from condinst.engine.signals import StopHook
from condinst.engine.visualization_hook import VisualizationHook

__all__ = [
    "BoxTeacherHook",
    "CompleteCheckpointHook",
    "CpuAmpOptimWrapper",
    "CurveHook",
    "EarlyStopHook",
    "InferenceHook",
    "LoggedImagesHook",
    "VisualizationHook",
    "ReportHook",
    "StopHook",
]
