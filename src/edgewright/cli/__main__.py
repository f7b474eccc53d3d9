"""`python -m edgewright.cli` is `edgewright`."""

from edgewright.cli import main

main()
