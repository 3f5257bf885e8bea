"""The benchmark of exported files: a whole run agrees."""

import pytest

from benchmarks import deploy
from benchmarks.models import Context

pytestmark = [pytest.mark.long, pytest.mark.slow]


def test_a_run_agrees(datasets):
    """It asserts by itself that files in float32 find the eager model's instances."""
    found = deploy.run(Context(datasets / "coco_tiny", rounds=1, num_images=1))
    assert [c.bar for c in found if c.bar] == [1.6, 2.5]
    assert len({(c.name, c.against) for c in found}) == len(found) == 7
