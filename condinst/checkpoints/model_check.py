"""Check that weights fit the model of a config, tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from condinst.checkpoints.translation import describe, listing


class Misfit(NamedTuple):
    """The differences between the tensors of a file and those that a model expects.

    Attributes:
        missing: expected names that the file lacks.
        unknown: names of the file that are not expected.
        misshapen: names that both have, with tensors of different shapes.
    """

    missing: list[str]
    unknown: list[str]
    misshapen: list[str]


def find_misfit(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Misfit:
    """Compare the names and shapes of weights with those that a model expects."""
    return Misfit(
        [name for name in expected if name not in weights],
        [name for name in weights if name not in expected],
        [n for n, t in expected.items() if n in weights and weights[n].shape != t.shape],
    )


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
    misfit = find_misfit(weights, expected)
    problems = [
        f"{describe(name, weights[name])}: the config's model has no such tensor"
        for name in misfit.unknown
    ]
    problems += [
        f"{describe(name, expected[name])}: missing in the weights" for name in misfit.missing
    ]
    problems += [
        f"{describe(name, weights[name])}: the config's model has {tuple(expected[name].shape)}"
        for name in misfit.misshapen
    ]
    if problems:
        raise ValueError(listing(f"tensors that do not fit the model of {name}", problems))


_NUM_NAMED = 3
_CLASSES = re.compile(r"bbox_head\.(?:conv_cls|rtm_cls(?:\.\d+)?)\.(?:weight|bias)$")


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
        name: weight
        for name, weight in model.state_dict().items()
        if not name.endswith("num_batches_tracked")  # not used in evaluation
    }
    weights = {
        name.removeprefix("module."): weight
        for name, weight in checkpoint.get("state_dict", checkpoint).items()
        if hasattr(weight, "shape")
    }
    missing, _, misshapen = find_misfit(weights, expected)
    if not missing and not misshapen:
        return weights
    wrong = [name for name in expected if name in {*missing, *misshapen}]
    named = ", ".join(
        f"{name} ({tuple(weights[name].shape) if name in weights else 'missing'}, "
        f"expected {tuple(expected[name].shape)})"
        for name in wrong[:_NUM_NAMED]
    )
    more = f" and {len(wrong) - _NUM_NAMED} more" if len(wrong) > _NUM_NAMED else ""
    raise ValueError(
        f"{source}: {_classes(weights, expected, misshapen)}does not fit the config's model: "
        f"{len(wrong)} of its {len(expected)} weights are missing or of another shape: "
        f"{named}{more}"
    )


def _classes(weights: Mapping[str, Any], expected: Mapping[str, Any], misshapen: list[str]) -> str:
    """Say first that the checkpoint is for another number of classes, where that is so."""
    for name in misshapen:
        have, wanted = tuple(weights[name].shape), tuple(expected[name].shape)
        if _CLASSES.search(name) and have[1:] == wanted[1:] and len(have) == len(wanted) > 0:
            return f"the checkpoint has {have[0]} classes, the config {wanted[0]}; "
    return ""
