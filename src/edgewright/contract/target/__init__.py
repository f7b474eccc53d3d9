"""Reads and writes the TOML of targets: what each file says, what it inherits, and whether it makes sense. No I/O."""

from edgewright.contract.target.inheritance import Resolved, resolve
from edgewright.contract.target.reading import Sketch, read
from edgewright.contract.target.rules import Problem, problems
from edgewright.contract.target.writing import begin, fields, value_text, write

__all__ = ["Problem", "Resolved", "Sketch", "begin", "fields", "problems", "read", "resolve", "value_text", "write"]
