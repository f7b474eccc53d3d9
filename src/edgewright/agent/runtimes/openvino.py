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
SMALL_BYTES = 8 * 1024**2
"""Up to here, a second compilation for single rows costs little memory and saves a part of the call that one feels."""

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
        try:
            model = self._core.read_model(path)
            one_row = _one_row(model) if path.stat().st_size <= SMALL_BYTES else None
            whole = Compiled(self._compile(model, provider), self._openvino.Tensor)
            single = None if one_row is None else SingleRow(self._compile(one_row, provider))
        except ModelUnreadable:
            raise
        except Exception as error:  # RuntimeError mostly, and pybind's types
            raise ModelUnreadable(f"OpenVINO cannot load {path.name}: {error}", field="files") from error
        return OpenVinoSession(whole, single)

    def _compile(self, model: Any, provider: str) -> Any:
        options = _PRECISION | (_ONE_THREAD if provider == "CPU" else {})
        compiled = self._core.compile_model(model, provider, options)
        devices = compiled.get_property("EXECUTION_DEVICES")
        found = [devices] if isinstance(devices, str) else list(devices)
        if any(device != provider and not device.startswith(f"{provider}.") for device in found):  # GPU is GPU.0
            raise ModelUnreadable(f"OpenVINO runs on {devices}, not {provider}", field="provider")
        return compiled


class OpenVinoSession:
    """A compiled model; where there is one, a second one answers single rows."""

    def __init__(self, whole: Compiled, single: SingleRow | None) -> None:
        self.input_names = tuple(whole.ports)
        self.output_names = whole.output_names
        self.fixed_rows = fixed_rows(whole.ports.values())
        self._whole = whole
        self._single = single

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Infer all outputs; raises InferenceFailed."""
        check_feeds(self._whole.ports, feeds)
        try:
            if self._single is not None and all(len(array) == 1 for array in feeds.values()):
                return self._single.infer(feeds)
            return self._whole.infer(feeds)
        except Exception as error:  # as above; what the request held goes with it
            raise InferenceFailed(f"OpenVINO gave up: {error}") from error


class Compiled:
    """A compiled model: each request that runs has buffers of its own, which later requests use again."""

    def __init__(self, compiled: Any, tensor: Any) -> None:
        self.ports = {port.name: port for port in map(_port, compiled.inputs)}
        self.output_names = tuple(output.any_name for output in compiled.outputs)
        self._compiled = compiled
        self._tensor = tensor
        self._idle: list[Any] = [compiled.create_infer_request()]

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs. (OpenVINO's own way with inputs by name takes 10 µs more, where a small model takes 60.)"""
        request = self._take()
        for place, name in enumerate(self.ports):
            array = feeds[name]
            whole = array if array.flags.c_contiguous else array.copy()
            request.set_input_tensor(place, self._tensor(whole, shared_memory=True))
        request.infer(share_outputs=True)  # in this thread; start_async and wait would change to another and back
        outputs = {name: request.get_output_tensor(at).data.copy() for at, name in enumerate(self.output_names)}
        self._idle.append(request)
        return outputs

    def _take(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._compiled.create_infer_request()


class SingleRow:
    """A model compiled for one row: with all shapes fixed, a request's buffers stay where they are."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._takes = [port.any_name for port in compiled.inputs]
        self._gives = [port.any_name for port in compiled.outputs]
        self._idle = [self._make()]

    def infer(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs for one row."""
        request, takes, gives = self._take()
        for name, buffer in takes:
            buffer[...] = feeds[name]
        request.infer(share_outputs=True)
        outputs = {name: buffer.copy() for name, buffer in gives}
        self._idle.append((request, takes, gives))
        return outputs

    def _take(self) -> tuple[Any, list[Any], list[Any]]:
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def _make(self) -> tuple[Any, list[Any], list[Any]]:
        """A request, and its buffers by name."""
        request = self._compiled.create_infer_request()
        takes = [(name, request.get_input_tensor(at).data) for at, name in enumerate(self._takes)]
        return request, takes, [(name, request.get_output_tensor(at).data) for at, name in enumerate(self._gives)]


def _one_row(model: Any) -> Any | None:
    """The model for a single row, where its rows are all that is free: fixed shapes save small models a tenth of a
    call. None where they are not, or the model does not go with one.
    """
    shapes = {place: port.get_partial_shape() for place, port in enumerate(model.inputs)}
    axes = [[axis.is_dynamic for axis in shape] for shape in shapes.values()]
    if not all(free[:1] == [True] and not any(free[1:]) for free in axes):
        return None
    single = model.clone()
    try:
        single.reshape(
            {place: [1, *(axis.get_length() for axis in list(shape)[1:])] for place, shape in shapes.items()}
        )
    except RuntimeError:
        return None
    ports = [*single.inputs, *single.outputs]
    is_fixed = all(port.get_partial_shape().is_static for port in ports)
    has_text = any(port.get_element_type().get_type_name() == "string" for port in ports)
    return single if is_fixed and not has_text else None


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
