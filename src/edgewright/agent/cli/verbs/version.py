"""`edgewright-agent version`: which agent this is."""

from __future__ import annotations

import argparse
import json
import platform
import sys

from edgewright import __version__


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    verb = verbs.add_parser("version", help="say which agent this is")
    verb.set_defaults(act=act)
    verb.add_argument("--json", action="store_true", help="as one JSON object, with Python and machine")


def act(chosen: argparse.Namespace) -> int:
    """Say which agent this is."""
    if chosen.json:
        facts = {"version": __version__, "python": platform.python_version(), "arch": platform.machine()}
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        sys.stdout.write(f"edgewright-agent {__version__}\n")
    return 0
