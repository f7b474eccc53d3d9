"""Edgewright runs the whole life of machine-learning models on fleets of edge devices."""

import os

__version__ = "0.1.0"

TELEMETRY_OFF = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
"""What ONNX Runtime's releases look at, when they are imported, before they report to their maker from 1.31 on."""

for _name in TELEMETRY_OFF:  # a device talks to its hub and to nobody else; who wants otherwise sets them to 0
    os.environ.setdefault(_name, "1")
