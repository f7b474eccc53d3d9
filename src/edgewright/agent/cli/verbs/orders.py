"""`edgewright-agent reload` and `flush`: small orders to the running agent."""

from __future__ import annotations

import argparse
import sys

from edgewright.agent.cli import folder


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verbs."""
    about = (
        "Checks DIR/agent.json first, and refuses what makes no sense. If anything has changed, the agent starts anew: "
        "its workers answer what is in flight, then begin with the new settings. Options of its command line win."
    )
    verb = verbs.add_parser("reload", help="let the running agent take its changed settings", description=about)
    verb.set_defaults(act=reload)
    _add_common(verb)
    verb.add_argument("--dry-run", action="store_true", help="only check the settings")
    about = "Lets the running agent check in with its hub and send what waits, now, within its budget of bytes."
    verb = verbs.add_parser("flush", help="let the running agent send what waits, now", description=about)
    verb.set_defaults(act=flush)
    _add_common(verb)
    verb.add_argument("--dry-run", action="store_true", help="only say what waits")


def reload(chosen: argparse.Namespace) -> int:
    """Have the settings taken."""
    from edgewright.agent.control import Reload, ask
    from edgewright.agent.disk import settings
    from edgewright.agent.link.allowance import check_windows

    root = folder.existing(chosen)
    check_windows(settings.load(root))
    names = [] if chosen.dry_run else ask(root, Reload(), list[str])
    if chosen.dry_run:
        text = "the settings make sense"
    else:
        text = f"the agent starts anew with other {', '.join(names)}" if names else "nothing has changed"
    _tell(chosen, {"changed": names}, text)
    return 0


def flush(chosen: argparse.Namespace) -> int:
    """Have what waits sent."""
    from edgewright.agent.control import Flush, ask
    from edgewright.agent.status import read_status

    root = folder.existing(chosen)
    backlog = read_status(root).backlog if chosen.dry_run else ask(root, Flush(), int, timeout_s=180.0)
    words = "would check" if chosen.dry_run else "checks"
    _tell(chosen, {"backlog": backlog}, f"the agent {words} in now; {backlog} records wait to be sent")
    return 0


def _add_common(verb: argparse.ArgumentParser) -> None:
    folder.add_dir(verb)
    verb.add_argument("--json", action="store_true", help="as one JSON object")


def _tell(chosen: argparse.Namespace, facts: dict[str, object], text: str) -> None:
    import msgspec

    sys.stdout.write((msgspec.json.encode(facts).decode() if chosen.json else text) + "\n")
