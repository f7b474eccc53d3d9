"""ONNX Runtime: the default runtime, one thread a session, on the execution provider that a package names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.agent.runtimes import InferenceFailed, ModelUnreadable
from edgewright.agent.runtimes.engines import engine_folder, tensorrt_options
from edgewright.contract.engineplan import KEY, decode

if TYPE_CHECKING:
    import numpy as np

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_FATAL_ONLY = 4
_NOTES_PLACES = ("session.record_ep_graph_assignment_info", "1")  # from 1.24 on
_OPTIONS = {
    "XnnpackExecutionProvider": {"intra_op_num_threads": "1"},
    # An edge device shares its memory: the arena grows by what is asked for, and no minutes go into trying algorithms.
    CUDA: {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"},
    # As exact as the source: without it, processors with AMX compute in bfloat16.
    "OpenVINOExecutionProvider": {
        "device_type": "CPU",
        "num_of_threads": "1",
        "load_config": '{"CPU":{"INFERENCE_PRECISION_HINT":"f32"}}',
    },
}


class OnnxRuntime:
    """Loads ONNX files. Any of its distributions will do: onnxruntime, onnxruntime-gpu, onnxruntime-openvino …"""

    def __init__(self) -> None:
        import onnxruntime

        self._onnxruntime = onnxruntime
        self.version: str = onnxruntime.__version__
        self.providers: tuple[str, ...] = tuple(onnxruntime.get_available_providers())

    def load(self, path: Path, provider: str) -> OnnxSession:
        """Load `path` on one thread. A missing provider is an error, where ONNX Runtime itself would only warn."""
        if provider not in self.providers:
            raise ModelUnreadable(f"this onnxruntime has no {provider}", field="provider")
        try:
            session = self._open(path, provider)
        except Exception as error:  # onnxruntime raises pybind types of its own, and ValueError, and RuntimeError
            raise ModelUnreadable(f"onnxruntime cannot load {path.name}: {error}", field="files") from error
        session.disable_fallback()  # else a failing request would move the session to the processor
        _check_provider(session, provider)
        return OnnxSession(session)

    def _open(self, path: Path, provider: str) -> Any:
        options = self._onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        if provider != CPU:
            options.add_session_config_entry(*_NOTES_PLACES)
        named = [TENSORRT, CUDA] if provider == TENSORRT and CUDA in self.providers else [provider]
        chosen = [(name, self._engine_options(path) if name == TENSORRT else _OPTIONS.get(name, {})) for name in named]
        return self._onnxruntime.InferenceSession(str(path), options, providers=chosen, enable_fallback=0)

    def _engine_options(self, path: Path) -> dict[str, str]:
        """What TensorRT is told: by the plan in the model's metadata, which a plain session reads."""
        options = self._onnxruntime.SessionOptions()
        options.graph_optimization_level = self._onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = _FATAL_ONLY
        plain = self._onnxruntime.InferenceSession(str(path), options, providers=[CPU])
        text = plain.get_modelmeta().custom_metadata_map.get(KEY)
        shapes = {
            node.name: [axis if isinstance(axis, int) else None for axis in node.shape] for node in plain.get_inputs()
        }
        return tensorrt_options(decode(text) if text else None, shapes, engine_folder(path))


class OnnxSession:
    """A loaded ONNX model."""

    def __init__(self, session: Any) -> None:
        self.input_names = tuple(node.name for node in session.get_inputs())
        self.output_names = tuple(node.name for node in session.get_outputs())
        first_axes = [node.shape[0] for node in session.get_inputs() if node.shape]
        self.fixed_rows = next((axis for axis in first_axes if isinstance(axis, int)), 0)
        self._run = session.run

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Infer all outputs; raises InferenceFailed."""
        try:
            return dict(zip(self.output_names, self._run(None, feeds), strict=True))
        except Exception as error:  # as above
            raise InferenceFailed(f"onnxruntime gave up: {error}") from error


def _check_provider(session: Any, provider: str) -> None:
    """Raise ModelUnreadable unless `provider` comes first, and has some of the model to do."""
    first = session.get_providers()[0]
    if first != provider:
        raise ModelUnreadable(f"onnxruntime runs on {first}, not {provider}", field="provider")
    if provider != CPU and not _works(session, provider):
        raise ModelUnreadable(f"{provider} takes no part of this model: all of it would run on {CPU}", field="provider")


def _works(session: Any, provider: str) -> bool:
    """Whether any node is the provider's; taken for granted where onnxruntime is too old to say."""
    asked = getattr(session, "get_provider_graph_assignment_info", None)
    places: Sequence[Any] = asked() if asked is not None else ()
    return asked is None or any(place.ep_name == provider for place in places)
