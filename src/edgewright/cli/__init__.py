"""The command line: thin verbs over `edgewright.client`. `main` is what `edgewright` runs."""

from edgewright.cli.app import app, main

__all__ = ["app", "main"]
