"""LiteRT: .tflite files on the processor, with or without XNNPACK's kernels; int8 goes in and out as int8."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.agent.runtimes import InferenceFailed, ModelUnreadable
from edgewright.agent.runtimes.feeds import Port, check_feeds, fixed_rows

if TYPE_CHECKING:
    import numpy as np

DISTRIBUTION = "ai-edge-litert"
DEFAULT_SIGNATURE = "serving_default"


class LiteRtRuntime:
    """Loads .tflite files. 'XNNPACK' runs what it can with XNNPACK's kernels, 'CPU' all with LiteRT's own."""

    providers: tuple[str, ...] = ("XNNPACK", "CPU")

    def __init__(self) -> None:
        from ai_edge_litert import interpreter

        self._kernels = {
            "XNNPACK": interpreter.OpResolverType.BUILTIN,
            "CPU": interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        }
        self._interpreter = interpreter.Interpreter
        self.version: str = metadata.version(DISTRIBUTION)

    def load(self, path: Path, provider: str) -> LiteRtSession:
        """Map the file and make its tensors; names are those of its signature, if it has one."""
        if provider not in self._kernels:
            raise ModelUnreadable(f"LiteRT has no {provider} here", field="provider")
        try:
            interpreter = self._interpreter(
                str(path), num_threads=1, experimental_op_resolver_type=self._kernels[provider]
            )
            return LiteRtSession(_runner(interpreter))
        except Exception as error:  # ValueError and RuntimeError, as it happens; UnicodeDecodeError for names
            raise ModelUnreadable(f"LiteRT cannot load {path.name}: {error}", field="files") from error


class LiteRtSession:
    """A loaded model. An interpreter does one thing at a time: requests of other threads wait their turn."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._ports = {name: _port(name, details) for name, details in runner.inputs.items()}
        self._is_row_by_row = all(port.shape[:1] == (1,) for port in self._ports.values())
        self.input_names = tuple(self._ports)
        self.output_names = tuple(runner.outputs)
        self.fixed_rows = 0 if self._is_row_by_row else fixed_rows(self._ports.values())
        self._lock = threading.Lock()

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Infer all outputs; raises InferenceFailed. A model made for one row at a time gets several one by one."""
        with self._lock:
            rows = {len(array) for array in feeds.values() if array.ndim}
            if self._is_row_by_row and len(rows) == 1 and rows != {1}:
                return self._run_rows(feeds, rows.pop())
            return self._run(feeds)

    def _run_rows(self, feeds: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        import numpy as np

        if count == 0:
            raise InferenceFailed("a request needs a row at least")
        rows = [self._run({name: array[row : row + 1] for name, array in feeds.items()}) for row in range(count)]
        if any(len(array) != 1 for array in rows[0].values()):
            raise InferenceFailed("the model takes one row at a time, and its answers cannot be joined")
        return {name: np.concatenate([row[name] for row in rows]) for name in self.output_names}

    def _run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        check_feeds(self._ports, feeds)
        try:
            return self._runner.run(feeds)
        except Exception as error:  # as above
            raise InferenceFailed(f"LiteRT gave up: {error}") from error


class Runner:
    """Inputs and outputs by name, as LiteRT describes them, and what computes the one from the other."""

    def __init__(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], interpreter: Any) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._interpreter = interpreter
        self._shapes: dict[str, tuple[int, ...]] = {}

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute; the tensors are made anew only where the shapes are others than before."""
        shapes = {name: array.shape for name, array in feeds.items()}
        if shapes != self._shapes:
            self._shapes = {}
            for name, shape in shapes.items():
                self._interpreter.resize_tensor_input(self.inputs[name]["index"], shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for name, array in feeds.items():
            self._interpreter.set_tensor(self.inputs[name]["index"], array)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(details["index"]) for name, details in self.outputs.items()}


def _runner(interpreter: Any) -> Runner:
    inputs, outputs = _ports_of(interpreter)
    interpreter.allocate_tensors()
    return Runner(inputs, outputs, interpreter)


def _ports_of(interpreter: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Inputs and outputs by the names of the signature, if there is one: exporters number tensors as they like."""
    inputs, outputs = (_by_name(side) for side in (interpreter.get_input_details(), interpreter.get_output_details()))
    signatures = interpreter.get_signature_list()
    if not signatures:
        return inputs, outputs
    key = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in signatures else next(iter(signatures))
    signature = interpreter.get_signature_runner(key)  # must be gone before the interpreter does anything
    ports = signature.get_input_details(), signature.get_output_details()
    if _by_name(ports[0].values()).keys() != inputs.keys():
        raise ValueError(f"its signature {key} is not that of its first graph")
    return ports


def _by_name(side: Iterable[Any]) -> dict[str, Any]:
    return {one["name"]: one for one in side}


def _port(name: str, details: Mapping[str, Any]) -> Port:
    import numpy as np

    shape = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    return Port(name, np.dtype(details["dtype"]), tuple(None if axis < 0 else int(axis) for axis in shape))
