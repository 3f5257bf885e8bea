"""Losses by hand."""

import math

import pytest
import torch

from condinst.models.losses import centerness_targets


def test_centerness_by_hand():
    """sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)) with l, t, r, b = 1, 2, 4, 8."""
    found = centerness_targets(torch.tensor([[1.0, 2, 4, 8], [5.0, 5, 5, 5]]))
    assert found.tolist() == pytest.approx([math.sqrt(1 / 4 * 2 / 8), 1.0])
    assert centerness_targets(torch.zeros(0, 4)).shape == (0,)
