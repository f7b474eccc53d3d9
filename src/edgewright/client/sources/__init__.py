"""How a model becomes a source file, on the user's own machine: nothing that holds code ever goes to a hub.

`prepare` takes what people have: a file of ONNX or TFLite, a fitted estimator of scikit-learn, a module of torch, or
weights with a command of their own that makes a model of them. Heavy libraries are imported when they are needed.
"""

from edgewright.client.sources.command import ExportCommand
from edgewright.client.sources.model import CannotConvert, ExportFailed, MissingExtra, Source
from edgewright.client.sources.preparing import as_onnx, prepare

__all__ = ["CannotConvert", "ExportCommand", "ExportFailed", "MissingExtra", "Source", "as_onnx", "prepare"]
