"""Registries of condinst: children of mmdet's, with the scope ``condinst``.

A config with ``default_scope = "condinst"`` finds our classes by bare name, and all others
(``ResNet``, ``FPN``, ``InfiniteSampler``, ...) in mmdet, mmcv and mmengine. Any other config names
ours with the prefix, for example ``type="condinst.CondInst"``.

mmengine switches registries by scope inside every ``build``, and warns if the scope lacks one.
There is therefore a child of each of mmdet's registries, even where we add nothing.
"""

from condinst import compat

compat.apply()

from mmdet import registry as mmdet_registry  # noqa: E402
from mmengine.registry import Registry  # noqa: E402

__all__ = [
    "DATASETS",
    "DATA_SAMPLERS",
    "EVALUATOR",
    "HOOKS",
    "LOG_PROCESSORS",
    "LOOPS",
    "METRICS",
    "MODELS",
    "MODEL_WRAPPERS",
    "OPTIMIZERS",
    "OPTIM_WRAPPERS",
    "OPTIM_WRAPPER_CONSTRUCTORS",
    "PARAM_SCHEDULERS",
    "RUNNERS",
    "RUNNER_CONSTRUCTORS",
    "TASK_UTILS",
    "TRANSFORMS",
    "VISBACKENDS",
    "VISUALIZERS",
    "WEIGHT_INITIALIZERS",
]


def _child(parent: Registry, location: str) -> Registry:
    return Registry(parent.name, parent=parent, scope="condinst", locations=[location])


RUNNERS = _child(mmdet_registry.RUNNERS, "condinst.engine")
RUNNER_CONSTRUCTORS = _child(mmdet_registry.RUNNER_CONSTRUCTORS, "condinst.engine")
LOOPS = _child(mmdet_registry.LOOPS, "condinst.engine")
HOOKS = _child(mmdet_registry.HOOKS, "condinst.engine")
DATASETS = _child(mmdet_registry.DATASETS, "condinst.datasets.registered")
DATA_SAMPLERS = _child(mmdet_registry.DATA_SAMPLERS, "condinst.datasets.registered")
TRANSFORMS = _child(mmdet_registry.TRANSFORMS, "condinst.datasets.registered")
MODELS = _child(mmdet_registry.MODELS, "condinst.models")
MODEL_WRAPPERS = _child(mmdet_registry.MODEL_WRAPPERS, "condinst.models")
WEIGHT_INITIALIZERS = _child(mmdet_registry.WEIGHT_INITIALIZERS, "condinst.models")
OPTIMIZERS = _child(mmdet_registry.OPTIMIZERS, "condinst.engine")
OPTIM_WRAPPERS = _child(mmdet_registry.OPTIM_WRAPPERS, "condinst.engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child(mmdet_registry.OPTIM_WRAPPER_CONSTRUCTORS, "condinst.engine")
PARAM_SCHEDULERS = _child(mmdet_registry.PARAM_SCHEDULERS, "condinst.engine")
METRICS = _child(mmdet_registry.METRICS, "condinst.evaluation")
EVALUATOR = _child(mmdet_registry.EVALUATOR, "condinst.evaluation")
TASK_UTILS = _child(mmdet_registry.TASK_UTILS, "condinst.models")
VISUALIZERS = _child(mmdet_registry.VISUALIZERS, "condinst.engine")
VISBACKENDS = _child(mmdet_registry.VISBACKENDS, "condinst.engine")
LOG_PROCESSORS = _child(mmdet_registry.LOG_PROCESSORS, "condinst.engine")
