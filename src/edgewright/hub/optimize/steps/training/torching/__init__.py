"""Networks in torch that were ONNX, and their trained weights back in the ONNX file that they came from.

The file stays what it was but for its weights: names, free axes, and what follows the network's scores are kept. No
exporter is needed, and nothing that one would leave (stack traces, other names) comes in.
"""

from edgewright.hub.optimize.steps.training.torching.graph import Graph, lifted, look, of, read, save
from edgewright.hub.optimize.steps.training.torching.layers import Layer
from edgewright.hub.optimize.steps.training.torching.network import Network, network, write_back
from edgewright.hub.optimize.steps.training.torching.scores import Tail, scores_of, tail_of

__all__ = [
    "Graph",
    "Layer",
    "Network",
    "Tail",
    "lifted",
    "look",
    "network",
    "of",
    "read",
    "save",
    "scores_of",
    "tail_of",
    "write_back",
]
