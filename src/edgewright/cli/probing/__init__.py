"""Measures this machine and describes it as a target.

The doors are `machine.measure` and `profile.describe`. This file imports nothing, as the process that measures is
started through it.
"""
