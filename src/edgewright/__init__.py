"""Edgewright runs the whole life of machine-learning models on fleets of edge devices."""

__version__ = "0.1.0"
