"""Benches: packages measured on this device without being installed, when nothing else is to be done."""

from edgewright.agent.bench.benches import Benches, Measure

__all__ = ["Benches", "Measure"]
