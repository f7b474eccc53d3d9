"""ONNX Runtime: the default runtime, one thread a session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime

from edgewright.agent.runtimes import InferenceFailed, ModelUnreadable

if TYPE_CHECKING:
    import numpy as np

_FATAL_ONLY = 4


class OnnxRuntime:
    """Loads ONNX files."""

    version: str = onnxruntime.__version__

    def load(self, path: Path, provider: str) -> OnnxSession:
        """Load `path` on one thread. A missing provider is an error, where ONNX Runtime itself would only warn."""
        if provider not in onnxruntime.get_available_providers():
            raise ModelUnreadable(f"this onnxruntime has no {provider}", field="provider")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # onnxruntime raises pybind types of its own, and ValueError, and RuntimeError
            raise ModelUnreadable(f"onnxruntime cannot load {path.name}: {error}", field="files") from error
        if session.get_providers()[0] != provider:
            raise ModelUnreadable(f"onnxruntime runs on {session.get_providers()[0]}, not {provider}", field="provider")
        return OnnxSession(session)


class OnnxSession:
    """A loaded ONNX model."""

    def __init__(self, session: Any) -> None:
        self.input_names = tuple(node.name for node in session.get_inputs())
        self.output_names = tuple(node.name for node in session.get_outputs())
        self._run = session.run

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Infer all outputs; raises InferenceFailed."""
        try:
            return dict(zip(self.output_names, self._run(None, feeds), strict=True))
        except Exception as error:  # as above
            raise InferenceFailed(f"onnxruntime gave up: {error}") from error
