"""The runtimes of exported files: each reads a file's metadata and runs the file."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from condinst.utils.optional import import_failure

__all__ = ["OnnxRuntime", "OpenVino"]

Arrays = dict[str, np.ndarray]


class OnnxRuntime:
    """An .onnx file in ONNX Runtime. Several threads may run it at once.

    Attributes:
        metadata: all metadata texts of the file, by key.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: ONNX Runtime cannot run the file, or has no such provider.
        ImportError: onnxruntime is not installed.
    """

    def __init__(
        self, path: Path, providers: Sequence[Any] | None = None, threads: int | None = None
    ) -> None:
        _check_file(path, ".onnx", "onnx")
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise import_failure(
                "OnnxPredictor needs onnxruntime", "onnxruntime", "pip install onnxruntime", error
            ) from error
        chosen = list(providers or ["CPUExecutionProvider"])
        known = ort.get_available_providers()
        for provider in chosen:
            if (provider if isinstance(provider, str) else provider[0]) not in known:
                raise ValueError(f"providers: {provider!r}: expected among {', '.join(known)}")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(os.fspath(path), options, providers=chosen)
        except Exception as error:  # ONNX Runtime's errors have no common base class
            raise _unreadable(path, f"ONNX Runtime {ort.__version__}", error) from error
        self._outputs = [value.name for value in self._session.get_outputs()]
        self._inputs = [value.name for value in self._session.get_inputs()]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, inputs: Arrays) -> Arrays:
        """Return the outputs by name. Inputs that the file lacks are left out."""
        feed = {name: inputs[name] for name in self._inputs}
        return dict(zip(self._outputs, self._session.run(self._outputs, feed), strict=True))


class OpenVino:
    """An .xml file (with its .bin) in OpenVINO. Several threads may run it at once.

    Attributes and errors are those of :class:`OnnxRuntime`.
    """

    def __init__(self, path: Path, device: str = "CPU", threads: int | None = None) -> None:
        _check_file(path, ".xml", "openvino")
        _check_file(path.with_suffix(".bin"), ".bin", "openvino")
        try:
            import openvino
        except ImportError as error:
            raise import_failure(
                "OpenVinoPredictor needs openvino", "openvino", "pip install openvino", error
            ) from error
        # compute in float32 even if the processor has bfloat16
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            hints["INFERENCE_NUM_THREADS"] = threads
        core = _openvino_core()
        try:
            model = core.read_model(os.fspath(path))
            self._compiled = core.compile_model(model, device, hints)
        except Exception as error:
            version = openvino.__version__.split("-")[0]
            raise _unreadable(path, f"OpenVINO {version}", error) from error
        self.metadata: dict[str, str] = {}
        if model.has_rt_info(["condinst"]):
            info = model.get_rt_info(["condinst"])
            self.metadata = {f"condinst.{key}": str(value) for key, value in info.value.items()}
        # inputs and outputs can have inner names of the graph too
        self._inputs = [_input_name(value.names) for value in self._compiled.inputs]
        self._outputs = {name: out for out in self._compiled.outputs for name in out.names}
        self._requests = threading.local()

    def run(self, inputs: Arrays) -> Arrays:
        """Return the outputs by name. Inputs that the file lacks are left out."""
        request = getattr(self._requests, "one", None)
        if request is None:  # one per thread: a request holds the memory of one run
            request = self._requests.one = self._compiled.create_infer_request()
        values = request.infer({name: inputs[name] for name in self._inputs})
        return {name: values[out] for name, out in self._outputs.items()}


def _input_name(names: set[str]) -> str:
    """Choose the name of the file's interface."""
    return next((name for name in ("images", "out_size") if name in names), min(names))


@functools.cache
def _openvino_core() -> Any:
    """Return the only core of the process, which is never released.

    A core's CPU plugin installs a stack for signal handlers in the thread, and restores the earlier
    one when the core is released. If two cores are released in the order in which they were
    created, the second restores the stack that the first has freed, and the next signal (a Ctrl-C,
    a child that ends) kills the process (OpenVINO 2026.4.1 on Linux).
    """
    import openvino

    return openvino.Core()


def _check_file(path: Path, suffix: str, format: str) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"model file {path} is not a file")
    if path.suffix != suffix:
        raise ValueError(
            f"model file {path}: expected a name that ends in {suffix}, as `condinst export "
            f"--format {format}` gives it"
        )


def _unreadable(path: Path, program: str, error: Exception) -> ValueError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ValueError(f"model file {path}: {program} cannot run it: {lines[0] if lines else error}")
