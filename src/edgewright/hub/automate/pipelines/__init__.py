"""Pipelines: from samples to a rolled-out version, step by step, each done once. `service.Pipelines` is the door.

This file imports nothing, because the children that clean rows and compare weights import it too.
"""
