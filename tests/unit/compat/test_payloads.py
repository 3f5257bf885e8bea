"""Every payload as a checkpoint, by every reader: nothing runs, nothing crashes, each is refused.

The readers: ours, which all commands use, with the .pkl reader of ``condinst convert``; and torch's
weights-only one, which takes numpy's and mmengine's names from the same list.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import payloads
import pytest
import torch

from condinst.compat.checkpoint_list import ALLOWED, EXTRAS

pytestmark = pytest.mark.long

MEMORY = 8 << 30  # address space; PyTorch alone takes 2
PEAK = 600_000  # KiB


@pytest.fixture(scope="module", params=["quick", pytest.param("all", marks=pytest.mark.slow)])
def outcomes(request, tmp_path_factory, repo) -> dict:
    folder = tmp_path_factory.mktemp("payloads")
    done = subprocess.run(
        [
            sys.executable,
            str(repo / "tests" / "helpers" / "payload_reader.py"),
            str(folder),
            request.param,
        ],
        env={**os.environ, "PYTHONPATH": str(repo), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]  # a signal would be negative
    return json.loads(done.stdout)


def test_none_runs_or_takes_the_memory(outcomes):
    assert outcomes["ran"] == []
    assert outcomes["peak"] < PEAK


def of(reader: str, outcomes: dict) -> dict[str, list]:
    return {key: value for key, value in outcomes.items() if key.startswith(f"{reader}: ")}


@pytest.mark.parametrize("reader", ["load", "convert", "torch"])
def test_each_is_refused_with_one_error(outcomes, reader):
    found = of(reader, outcomes)
    assert len(found) > len(payloads.code()) + len(payloads.arrays())
    read = {key for key, (kind, _) in found.items() if kind is None}
    harmless = payloads.HARMLESS | ({"a history without content"} if reader == "torch" else set())
    assert {key.split(": ")[1].rpartition(",")[0] for key in read} <= harmless
    if reader != "torch":
        assert {kind for kind, _ in found.values() if kind} == {"ValueError"}


@pytest.mark.parametrize(
    ("reader", "format"), [("load", "zip"), ("load", "legacy"), ("convert", "pkl")]
)
def test_the_message_names_the_file_and_what_it_asks_for(outcomes, reader, format):
    message = outcomes[f"{reader}: os.system, {format}"][1]
    assert "0_" in message.split(": ")[0]
    assert "refused, because loading it would use os.system" in message
    for key, (kind, message) in of(reader, outcomes).items():
        assert kind is None or (".p" in message.split(":")[0] and len(message) < 700), key


def test_both_readers_have_one_list():
    if not hasattr(torch.serialization, "get_safe_globals"):
        pytest.skip("torch before 2.6 has no list")
    given = {entry[1]: entry[0] for entry in torch.serialization.get_safe_globals()
             if isinstance(entry, tuple)}  # fmt: skip
    assert given.items() >= EXTRAS.items()
    assert ALLOWED.items() >= EXTRAS.items()


def test_the_list_holds_no_function_of_others():
    for name, value in ALLOWED.items():
        plain = isinstance(value, torch.dtype) or value is torch.UntypedStorage
        module = type(value).__module__ if not callable(value) else value.__module__
        assert plain or module.startswith("condinst.compat.checkpoint_"), name


def test_a_payload_stays_one_after_a_rename(tmp_path: Path):
    """Nothing depends on a file's name."""
    from condinst.compat.checkpoint import load_from_local

    for suffix in (".pt", ".pkl", ".safetensors", ".tar", ""):
        path = tmp_path / f"file{suffix}"
        payloads.write_zip(path, payloads.checkpoint(payloads.code()["os.system"]))
        with pytest.raises(ValueError, match=path.name):
            load_from_local(str(path))
