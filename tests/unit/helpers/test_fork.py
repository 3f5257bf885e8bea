"""The forks that tests start leave their parent's processes alone."""

import multiprocessing
import sys
import time

import pytest
from fork import Child

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")


def test_data_workers_of_the_parent_live_on(tmp_path):
    """A test before this one may have left some: ending them failed, and pytest ran twice."""
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    worker.start()
    try:
        assert Child(lambda: None, tmp_path / "output.txt").wait(20) == 0
        assert worker.is_alive()
    finally:
        worker.terminate()
        worker.join()
