"""`edgewright-agent bundle`: releases that come on a stick."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgewright.agent.cli import folder


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    verb = verbs.add_parser("bundle", help="install from a bundle that was carried here, without any network")
    verb.set_defaults(act=act)
    deeds = verb.add_subparsers(required=True, metavar="DEED")
    deed = deeds.add_parser("import", help="install what the bundle holds for this device; stop its agent first")
    deed.add_argument("bundle", type=Path, help="the bundle's folder")
    folder.add_dir(deed)
    deed.add_argument("--json", action="store_true", help="tell how each install ended as JSON")


def act(chosen: argparse.Namespace) -> int:
    """Install from a bundle, while no other agent works on the folder."""
    from edgewright.agent.bundle.command import import_bundle

    root = folder.existing(chosen)
    with folder.working_in(root):
        return import_bundle(chosen, root)
