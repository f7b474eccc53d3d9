"""OpenVINO: ONNX files and its own IR (model.xml with model.bin beside it), on one device that the package names."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from edgewright.agent.runtimes import InferenceFailed, ModelUnreadable
from edgewright.agent.runtimes.feeds import Port, check_feeds, fixed_rows

if TYPE_CHECKING:
    import numpy as np

_PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}  # else processors with AMX compute in bfloat16, silently
_ONE_THREAD = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
_TELEMETRY = "openvino_telemetry"


class OpenVinoRuntime:
    """Loads ONNX and IR files. Providers are OpenVINO's devices: 'CPU', 'GPU', 'NPU', 'GPU.1' … and no 'AUTO'."""

    def __init__(self) -> None:
        self._openvino = _import_silently()
        self._core = self._openvino.Core()
        self.version: str = self._openvino.__version__.partition("-")[0]
        self.providers: tuple[str, ...] = tuple(self._core.available_devices)

    def load(self, path: Path, provider: str) -> OpenVinoSession:
        """Compile the model for one device, with float32 kept as it is."""
        if provider not in self.providers:
            raise ModelUnreadable(f"this OpenVINO has no device {provider}", field="provider")
        options = _PRECISION | (_ONE_THREAD if provider == "CPU" else {})
        try:
            compiled = self._core.compile_model(self._core.read_model(path), provider, options)
            devices = compiled.get_property("EXECUTION_DEVICES")
            session = OpenVinoSession(compiled, self._openvino.Tensor)
        except Exception as error:  # RuntimeError mostly, and pybind's types
            raise ModelUnreadable(f"OpenVINO cannot load {path.name}: {error}", field="files") from error
        found = [devices] if isinstance(devices, str) else list(devices)
        if any(device != provider and not device.startswith(f"{provider}.") for device in found):  # GPU is GPU.0
            raise ModelUnreadable(f"OpenVINO runs on {devices}, not {provider}", field="provider")
        return session


class OpenVinoSession:
    """A compiled model: each request that runs has buffers of its own, which later requests use again."""

    def __init__(self, compiled: Any, tensor: Any) -> None:
        self._compiled = compiled
        self._tensor = tensor
        self._ports = {port.name: port for port in map(_port, compiled.inputs)}
        self.input_names = tuple(self._ports)
        self.output_names = tuple(output.any_name for output in compiled.outputs)
        self.fixed_rows = fixed_rows(self._ports.values())
        self._idle: list[Any] = [compiled.create_infer_request()]

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Infer all outputs; raises InferenceFailed."""
        check_feeds(self._ports, feeds)
        try:
            request = self._take()
            outputs = self._infer(request, feeds)
        except Exception as error:  # as above; what the request held goes with it
            raise InferenceFailed(f"OpenVINO gave up: {error}") from error
        self._idle.append(request)
        return outputs

    def _infer(self, request: Any, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `request.infer` does, without its tables of names: they cost 20 µs, where a small model takes 60."""
        for place, name in enumerate(self.input_names):
            array = feeds[name]
            whole = array if array.flags.c_contiguous else array.copy()
            request.set_input_tensor(place, self._tensor(whole, shared_memory=True))
        request.start_async()
        request.wait()
        return {name: request.get_output_tensor(place).data.copy() for place, name in enumerate(self.output_names)}

    def _take(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._compiled.create_infer_request()


def _port(port: Any) -> Port:
    shape = tuple(axis.get_length() if axis.is_static else None for axis in port.get_partial_shape())
    return Port(port.any_name, port.get_element_type().to_dtype(), shape)


def _import_silently() -> Any:
    """Import openvino without its telemetry, which tells its maker of every import unless somebody said no."""
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    is_known = _TELEMETRY in modules
    if not is_known:
        modules[_TELEMETRY] = None  # an import of it fails, and openvino goes on without
    try:
        import openvino
    finally:
        if not is_known:
            del modules[_TELEMETRY]
    return openvino
