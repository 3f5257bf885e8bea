"""The benchmark of RTMDet-Ins' files beside ultralytics' in another Python."""

import sys

import pytest

from benchmarks import rtmdet_deploy

pytestmark = pytest.mark.long

WORKER = """
import json, sys
print(json.dumps(dict(version="8.0")), flush=True)
for line in sys.stdin:
    task = json.loads(line)
    if not task["rle"]:
        sys.exit("no masks here")
    print(json.dumps(dict(seconds=1.5 * len(task["images"]), instances=7)), flush=True)
"""


def test_the_process_measures_its_own_seconds_and_its_error_is_told(tmp_path, monkeypatch):
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setattr(rtmdet_deploy, "_WORKER", tmp_path / "worker.py")
    worker = rtmdet_deploy._Worker(sys.executable, "yolo", tmp_path)
    assert worker.version == "8.0"
    assert worker.seconds([tmp_path, tmp_path], True) == 3.0
    assert worker.instances == 7
    with pytest.raises(RuntimeError, match=r"worker.py ended: no masks here"):
        worker.seconds([tmp_path], False)
    worker.close()
