"""Check the machine: GPUs, memory, disk, and whether data workers start."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from condinst.doctor.finding import ERROR, OK, WARNING, Finding
from condinst.utils.threads import others_compute, sleeps_while_waiting

_GROUP = "machine"
_GIB = 2**30


def check(folder: Path) -> list[Finding]:
    """Check the machine.

    Args:
        folder: the folder that results will be written to.
    """
    found = [_cpus(), _threads(), *_memory(), *_gpus(), _triton()]
    found += [_folder("results", folder), _folder("temporary files", Path(tempfile.gettempdir()))]
    found += [_folder("weights", _cache())]
    return found + [*_shared_memory(), *_open_files(), _workers()]


def num_cpus() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpus() -> Finding:
    return Finding(_GROUP, "processors", OK, str(num_cpus()))


def _threads() -> Finding:
    """Check the threads of computations on the CPU."""
    try:
        import torch

        number = torch.get_num_threads()
    except Exception:  # reported among the packages
        return Finding(_GROUP, "threads", ERROR, "unknown: torch cannot be imported")
    text = f"{number} compute, and {'sleep' if sleeps_while_waiting() else 'spin'} while they wait"
    if number > num_cpus():
        advice = f"export OMP_NUM_THREADS={num_cpus()}; more threads than processors are slower"
        return Finding(_GROUP, "threads", WARNING, text, advice)
    if number > 1 and not sleeps_while_waiting() and others_compute():
        advice = (
            "export OMP_WAIT_POLICY=PASSIVE; other programs compute now, and beside them spinning "
            "threads take twice as long or more"
        )
        return Finding(_GROUP, "threads", WARNING, text, advice)
    return Finding(_GROUP, "threads", OK, text)


def _memory() -> list[Finding]:
    """Check the free memory, on Linux only: the standard library has no other way."""
    file = Path("/proc/meminfo")
    if not file.is_file():
        return []
    lines = (line.split() for line in file.read_text().splitlines())
    sizes = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}
    free, total = sizes.get("MemAvailable", 0), sizes["MemTotal"]
    text = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    if free < 4 * _GIB:
        advice = "a training step of ResNet-50 at 800 x 1333 takes 2 GiB per image on a CPU"
        return [Finding(_GROUP, "memory", WARNING, text, advice)]
    return [Finding(_GROUP, "memory", OK, text)]


def _gpus() -> list[Finding]:
    try:
        import torch
    except Exception:  # reported among the packages
        return []
    built = torch.version.cuda or torch.version.hip
    if not torch.cuda.is_available():
        if built and shutil.which("nvidia-smi"):
            advice = "nvidia-smi shows whether the driver works; it must fit this CUDA version"
            text = f"PyTorch for CUDA {built} finds no GPU, but an NVIDIA driver is installed"
            return [Finding(_GROUP, "GPU", WARNING, text, advice)]
        text = f"none (PyTorch for CUDA {built})" if built else "none (PyTorch for CPUs)"
        return [Finding(_GROUP, "GPU", OK, text)]
    found = []
    for index in range(torch.cuda.device_count()):
        name = f"GPU {index}"
        try:
            free, total = torch.cuda.mem_get_info(index)
            torch.ones(64, 64, device=f"cuda:{index}").mm(
                torch.ones(64, 64, device=f"cuda:{index}")
            )
            torch.cuda.synchronize(index)
        except Exception as error:  # another program's memory, or a build without its architecture
            text = f"{torch.cuda.get_device_name(index)}: {str(error).splitlines()[0]}"
            found.append(Finding(_GROUP, name, ERROR, text, "cannot compute; see nvidia-smi"))
            continue
        text = f"{torch.cuda.get_device_name(index)}, {free / _GIB:.0f} of {total / _GIB:.0f} GiB"
        found.append(Finding(_GROUP, name, OK, f"{text} free, CUDA {built}"))
    return found


def _triton() -> Finding:
    try:
        import torch

        has_gpu = torch.cuda.is_available()
    except Exception:
        has_gpu = False
    if importlib.util.find_spec("triton") is None:
        if has_gpu:
            advice = "pip install triton; without it the mask head runs on torch, slower"
            return Finding(_GROUP, "triton", WARNING, "not installed", advice)
        return Finding(_GROUP, "triton", OK, "not installed (for GPUs)")
    from importlib import metadata

    version = metadata.version("triton") if _has_metadata("triton") else "of unknown version"
    if not has_gpu:
        return Finding(_GROUP, "triton", OK, f"{version}, unused without a GPU")
    if _too_old(version):
        advice = "the fused kernels need 3.5 (torch 2.9); the mask head runs on torch, slower"
        return Finding(_GROUP, "triton", WARNING, version, advice)
    return Finding(_GROUP, "triton", OK, version)


def _has_metadata(name: str) -> bool:
    from importlib import metadata

    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _too_old(version: str) -> bool:
    numbers = version.split(".")[:2]
    return all(n.isdigit() for n in numbers) and tuple(map(int, numbers)) < (3, 5)


def _cache() -> Path:
    try:
        from condinst.model_zoo.weights import cache_folder

        return cache_folder()
    except Exception:  # it cannot be made; checking its parent says why
        return Path("~/.cache/condinst").expanduser()


def _folder(name: str, folder: Path) -> Finding:
    """Check that files can be written, and the free space."""
    folder = folder.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        advice = "choose another folder, or change its permissions"
        return Finding(_GROUP, name, ERROR, f"{folder}: {error.strerror}", advice)
    free = shutil.disk_usage(existing).free
    text = f"{folder}: {free / _GIB:.1f} GiB free"
    if free < 2 * _GIB:
        advice = "a checkpoint of ResNet-50 takes 0.3 GiB, and several are kept"
        return Finding(_GROUP, name, WARNING, text, advice)
    return Finding(_GROUP, name, OK, text)


def _shared_memory() -> list[Finding]:
    """Check the memory that workers pass images in; containers have 64 MiB by default."""
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return []
    free = shutil.disk_usage(folder).free
    text = f"{free / _GIB:.1f} GiB free"
    if free < _GIB:
        advice = "start the container with --shm-size 8g or --ipc host, or set num_workers=0"
        return [Finding(_GROUP, "shared memory", WARNING, text, advice)]
    return [Finding(_GROUP, "shared memory", OK, text)]


def _open_files() -> list[Finding]:
    try:
        import resource
    except ImportError:  # Windows
        return []
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= limit < 1024:
        advice = "ulimit -n 4096; data workers keep many files open"
        return [Finding(_GROUP, "open files", WARNING, f"at most {limit}", advice)]
    return [Finding(_GROUP, "open files", OK, f"at most {limit}")]


class _Numbers:
    """A tiny dataset to start a worker for."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return index


def _workers() -> Finding:
    try:
        from torch.utils.data import DataLoader
    except Exception:  # reported among the packages
        return Finding(_GROUP, "data workers", ERROR, "not tried: torch cannot be imported")
    try:
        loader: DataLoader = DataLoader(_Numbers(), num_workers=1, timeout=60)  # type: ignore
        numbers = [int(batch) for batch in loader]
        assert numbers == [0, 1]
    except Exception as error:  # no processes, no shared memory, a limit of the system
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        advice = "--cfg-options train_dataloader.num_workers=0 val_dataloader.num_workers=0"
        return Finding(_GROUP, "data workers", ERROR, text, advice)
    return Finding(_GROUP, "data workers", OK, "one started and returned its samples")
