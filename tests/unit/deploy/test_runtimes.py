"""OpenVINO's files in a process that goes on living."""

import subprocess
import sys

import openvino
from onnx_files import dynamic_file

# Two files, given up in the order in which they were loaded; then a child ends, whose signal has a
# handler, as data loaders set one.
SCRIPT = """
import gc, signal, subprocess, sys
from pathlib import Path
from condinst.deploy.runtimes import OpenVino

first = OpenVino(Path(sys.argv[1]))
second = OpenVino(Path(sys.argv[1]))
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGCHLD, lambda *args: None)
for _ in range(5):
    subprocess.run([sys.executable, "-c", ""], check=True)
print("alive")
"""


def test_a_process_outlives_its_files(tmp_path):
    source = dynamic_file(tmp_path / "model.onnx")
    file = tmp_path / "model.xml"
    openvino.save_model(openvino.Core().read_model(str(source)), str(file))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCRIPT, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["alive"], (done.returncode, done.stderr)
