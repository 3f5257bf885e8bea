"""Each launcher starts on a machine without CUDA; torchrun itself is in tests/integration."""

import os
import socket

import pytest
import torch
from mmengine.dist import init_dist
from mmengine.model import MMDistributedDataParallel
from torch import distributed, nn

ENVIRONMENTS = {
    "pytorch": {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"},
    # No SLURM_LOCALID: upstream then divides by the number of GPUs.
    "slurm": {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_NODELIST": "localhost"},
    "mpi": {
        "OMPI_COMM_WORLD_LOCAL_RANK": "0",
        "OMPI_COMM_WORLD_SIZE": "1",
        "OMPI_COMM_WORLD_RANK": "0",
    },
}


@pytest.fixture(params=ENVIRONMENTS)
def launcher(request, monkeypatch):
    """A launcher's name, in a process that looks as if it had started it on a CPU machine."""
    original = dict(os.environ)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_LOCALID"):
        os.environ.pop(name, None)
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    os.environ.update(ENVIRONMENTS[request.param], MASTER_ADDR="localhost", MASTER_PORT=str(port))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    start_method = torch.multiprocessing.get_start_method(allow_none=True)
    yield request.param
    if distributed.is_initialized():
        distributed.destroy_process_group()
    torch.multiprocessing.set_start_method(start_method, force=True)
    os.environ.clear()
    os.environ.update(original)


def test_nccl_becomes_gloo_without_cuda(launcher):
    init_dist(launcher, backend="nccl")
    assert distributed.get_backend() == "gloo"
    assert os.environ["LOCAL_RANK"] == "0"


def test_the_wrapper_takes_the_runner_s_device_ids_for_a_cpu_model(launcher):
    init_dist(launcher)
    model = nn.Linear(3, 2)
    wrapped = MMDistributedDataParallel(module=model, device_ids=[0])
    wrapped(torch.ones(1, 3)).sum().backward()
    torch.testing.assert_close(model.weight.grad, torch.ones(2, 3))


@pytest.mark.parametrize("launcher", ["pytorch"], indirect=True)
def test_cuda_is_left_as_upstream_has_it(launcher, monkeypatch):
    devices: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", devices.append)
    backends: list[str] = []
    monkeypatch.setattr(
        distributed, "init_process_group", lambda backend, **kwargs: backends.append(backend)
    )
    init_dist(launcher, backend="nccl")
    assert devices == [0]
    assert backends == ["nccl"]
