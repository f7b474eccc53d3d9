"""ONNX to TFLite, without TensorFlow: networks of layers, operator by operator; what it does not know it names."""

from edgewright.hub.optimize.steps.compilers.tflite.convert import Converted, convert
from edgewright.hub.optimize.steps.compilers.tflite.writer import settled

__all__ = ["Converted", "convert", "settled"]
