"""`edgewright-agent bundle`: releases that come on a stick."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgewright.agent.cli import folder


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    verb = verbs.add_parser("bundle", help="install from a bundle that was carried here, without any network")
    verb.set_defaults(act=act)
    deeds = verb.add_subparsers(required=True, metavar="DEED")
    about = "Where the agent runs, it imports the bundle itself, and serves on meanwhile; where none runs, this does."
    deed = deeds.add_parser("import", help="install what the bundle holds for this device", description=about)
    deed.add_argument("bundle", type=Path, help="the bundle's folder")
    folder.add_dir(deed)
    deed.add_argument("--dry-run", action="store_true", help="verify everything and say what would happen")
    deed.add_argument("--json", action="store_true", help="tell how each install ended as JSON")


def act(chosen: argparse.Namespace) -> int:
    """Install from a bundle, or say what that would do."""
    from edgewright.agent.bundle.carry import Ending
    from edgewright.agent.bundle.command import foresee, import_alone, tell_endings, tell_foreseen
    from edgewright.agent.control import ImportBundle, NoAgent, ask

    root, bundle = folder.existing(chosen), chosen.bundle.absolute()
    if chosen.dry_run:
        return tell_foreseen(foresee(bundle, root), as_json=chosen.json)
    try:
        if sys.stderr.isatty():
            sys.stderr.write("importing; each model has to pass its trial\n")
        endings = ask(root, ImportBundle(folder=str(bundle)), list[Ending], timeout_s=None)
    except NoAgent:
        with folder.working_in(root):
            endings = import_alone(bundle, root)
    return tell_endings(endings, as_json=chosen.json)
