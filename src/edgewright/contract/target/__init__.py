"""Reads the TOML of targets: what each file says, what it inherits, and whether that makes sense. No I/O."""

from edgewright.contract.target.inheritance import Resolved, resolve
from edgewright.contract.target.reading import Sketch, read
from edgewright.contract.target.rules import Problem, problems

__all__ = ["Problem", "Resolved", "Sketch", "problems", "read", "resolve"]
