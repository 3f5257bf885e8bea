"""The hook that refuses to test a checkpoint of another model."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from condinst.registry import HOOKS

__all__ = ["CompleteCheckpointHook", "check_complete"]

_NUM_NAMED = 3


@HOOKS.register_module()
class CompleteCheckpointHook(Hook):
    """Demands that a loaded checkpoint has every weight of the model, in its shape.

    mmengine only warns, and leaves the others at their random start. That is right for the
    beginning of a training, but an evaluation then measures nothing.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        check_complete(model, checkpoint, str(runner._load_from))


def check_complete(model: nn.Module, checkpoint: dict[str, Any], source: str) -> dict[str, Tensor]:
    """The weights of a checkpoint, which has all that the model has.

    Args:
        checkpoint: weights by name, or a dict with them as ``state_dict``.
        source: of the checkpoint, for the message.

    Raises:
        ValueError: some are missing or of another shape.
    """
    expected = {
        name: tuple(weight.shape)
        for name, weight in model.state_dict().items()
        if not name.endswith("num_batches_tracked")  # plays no part in evaluation
    }
    weights = {
        name.removeprefix("module."): weight
        for name, weight in checkpoint.get("state_dict", checkpoint).items()
        if hasattr(weight, "shape")
    }
    found: dict[str, Any] = {name: tuple(weight.shape) for name, weight in weights.items()}
    wrong = [name for name, shape in expected.items() if found.get(name) != shape]
    if not wrong:
        return weights
    named = ", ".join(
        f"{name} ({found.get(name, 'missing')}, expected {expected[name]})"
        for name in wrong[:_NUM_NAMED]
    )
    more = f" and {len(wrong) - _NUM_NAMED} more" if len(wrong) > _NUM_NAMED else ""
    raise ValueError(
        f"{source}: does not fit the config's model, {len(wrong)} of whose {len(expected)} weights "
        f"it does not have: {named}{more}"
    )
