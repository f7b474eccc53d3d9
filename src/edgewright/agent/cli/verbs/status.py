"""`edgewright-agent status`: what is on this device."""

from __future__ import annotations

import argparse
import sys
import time

from edgewright.agent.cli import folder


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    about = "Reads the agent's folder, and asks the agent where one runs. It disturbs neither."
    verb = verbs.add_parser("status", help="say what is on this device", description=about)
    verb.set_defaults(act=act)
    folder.add_dir(verb)
    verb.add_argument("--json", action="store_true", help="as one JSON object")


def act(chosen: argparse.Namespace) -> int:
    """Say what is on this device."""
    import msgspec

    from edgewright.agent.status import read_status, to_text

    found = read_status(folder.existing(chosen))
    text = msgspec.json.encode(found).decode() if chosen.json else to_text(found, time.time())
    sys.stdout.write(text + "\n")
    return 0
