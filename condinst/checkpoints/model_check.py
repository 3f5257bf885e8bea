"""Check that weights fit the model of a config, tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from condinst.checkpoints.translation import describe, listing


def check_fit(weights: Mapping[str, Tensor], model: nn.Module, name: str) -> None:
    """Compare the names and shapes of weights with a model's.

    Args:
        weights: tensors by our names.
        model: our or mmdet's model, or its backbone for the weights of a backbone.
        name: name of its config, for the message.

    Raises:
        ValueError: tensors are missing, unknown or of another shape; the message lists them.
    """
    expected = model.state_dict()
    problems = [
        f"{describe(n, t)}: the config's model has no such tensor"
        for n, t in weights.items()
        if n not in expected
    ]
    for n, t in expected.items():
        if n not in weights:
            problems.append(f"{describe(n, t)}: missing in the weights")
        elif weights[n].shape != t.shape:
            problems.append(f"{describe(n, weights[n])}: the config's model has {tuple(t.shape)}")
    if problems:
        raise ValueError(listing(f"tensors that do not fit the model of {name}", problems))


_NUM_NAMED = 3


def check_complete(model: nn.Module, checkpoint: dict[str, Any], source: str) -> dict[str, Tensor]:
    """Return the weights of a checkpoint, after checking that the model's are all there.

    Args:
        model: the model that they are for.
        checkpoint: weights by name, or a dict with them as ``state_dict``.
        source: name of the checkpoint, for the message.

    Raises:
        ValueError: weights are missing or of another shape.
    """
    expected = {
        name: tuple(weight.shape)
        for name, weight in model.state_dict().items()
        if not name.endswith("num_batches_tracked")  # not used in evaluation
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
        f"{source}: does not fit the config's model: {len(wrong)} of its {len(expected)} weights "
        f"are missing or of another shape: {named}{more}"
    )
