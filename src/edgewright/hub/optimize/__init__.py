"""Optimise: a version and a target go in, a measured variant comes out.

The door is `service.Optimize` and `targets.targets`. This file imports nothing, because the children that run a
single step or measurement import it too, and start a dozen times per run.
"""
