"""`edgewright-agent tuf`: the device's own TUF client, by hand."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    verb = verbs.add_parser("tuf", help="use any TUF repository by hand, with the agent's own client")
    verb.set_defaults(act=act)
    verb.add_argument("--metadata-dir", type=Path, required=True, help="where trusted metadata is kept")
    verb.add_argument("--metadata-url", default="", metavar="URL", help="the repository's metadata")
    verb.add_argument("--target-name", action="append", default=[], metavar="PATH", help="what to download; repeatable")
    verb.add_argument("--target-base-url", default="", metavar="URL", help="the repository's targets")
    verb.add_argument("--target-dir", type=Path, help="where to put what is downloaded")
    deeds = verb.add_subparsers(required=True, metavar="DEED", dest="deed")
    deed = deeds.add_parser("init", help="begin with a root that you trust")
    deed.add_argument("root", type=Path, help="the file of that root")
    deeds.add_parser("refresh", help="bring the metadata up to date")
    deeds.add_parser("download", help="bring the metadata up to date, then download the targets")


def act(chosen: argparse.Namespace) -> int:
    """Use a TUF repository by hand."""
    from edgewright.agent.tuf import run

    return run(chosen)
