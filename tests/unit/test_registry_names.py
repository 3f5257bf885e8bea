"""What our registries find by bare name without any mmdet import of the user's."""

import subprocess
import sys

import pytest

PROGRAM = """
import condinst
from condinst import registry
for registry_name, name in {names!r}:
    found = getattr(registry, registry_name).get(name)
    assert found is not None, f"{{registry_name}}: {{name}} is not found"
    print(found.__module__)
"""


@pytest.mark.slow
def test_mmdets_hooks_and_visualizers_fall_through_in_a_fresh_process():
    names = [
        ("HOOKS", "DetVisualizationHook"),
        ("VISUALIZERS", "DetLocalVisualizer"),
        ("LOOPS", "TeacherStudentValLoop"),
        ("METRICS", "LVISMetric"),
        ("TRANSFORMS", "RandomFlip"),
        ("MODELS", "ResNet"),
    ]
    program = PROGRAM.format(names=names)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("mmdet.") for line in done.stdout.splitlines())
