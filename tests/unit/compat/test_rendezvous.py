"""A process ends without an abort while it publishes the name of its rendezvous."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from torch import distributed

# the thread asks the store without a pause, so that Python ends while it does
ENDING = """
import threading
from datetime import timedelta
threading.Event.wait = lambda self, timeout=None: self.is_set()
from condinst.compat.rendezvous import store_arguments
store = store_arguments(timedelta(seconds=3000))["store"].underlying_store
store.set("condinst/rendezvous/asks/1", "token")
assert store.get("condinst/rendezvous/answer/token")
"""


@pytest.mark.long
def test_the_end_of_a_process_waits_for_its_thread():
    store = distributed.TCPStore("127.0.0.1", 0, None, True, timedelta(seconds=60))
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    world = {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for _ in range(3):
        command = [sys.executable, "-c", ENDING]
        done = subprocess.run(
            command, env=os.environ | place | world, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
