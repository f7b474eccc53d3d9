"""`edgewright-agent doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from typing import TYPE_CHECKING

from edgewright.agent.cli import folder

if TYPE_CHECKING:
    from edgewright.agent.doctor import Finding

WIDTH = 79
MARKS = {"ok": "ok  ", "warn": "WARN", "bad": "BAD "}


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    about = (
        "Looks at the folder, the agent, its models and runtimes, and goes the way to the hub step by step. It may be "
        "run while the agent works, and changes nothing. The exit code is 1 if something is bad."
    )
    verb = verbs.add_parser("doctor", help="find out what is wrong, and how to mend it", description=about)
    verb.set_defaults(act=act)
    folder.add_dir(verb)
    verb.add_argument("--offline", action="store_true", help="leave the hub alone")
    verb.add_argument("--json", action="store_true", help="as JSON")


def act(chosen: argparse.Namespace) -> int:
    """Examine this device."""
    import msgspec

    from edgewright.agent.doctor import examine

    findings = []
    for finding in examine(folder.existing(chosen), os.environ, is_offline=chosen.offline):
        findings.append(finding)
        if not chosen.json:
            sys.stdout.write(_text(finding))
            sys.stdout.flush()
    if chosen.json:
        sys.stdout.write(msgspec.json.encode(findings).decode() + "\n")
    return 1 if any(finding.verdict == "bad" for finding in findings) else 0


def _text(finding: Finding) -> str:
    lines = textwrap.wrap(
        f"{MARKS[finding.verdict]} {finding.name:<11} {finding.what}", WIDTH, subsequent_indent=" " * 17
    )
    if finding.help:
        lines += textwrap.wrap(f"help: {finding.help}", WIDTH, initial_indent=" " * 5, subsequent_indent=" " * 11)
    return "\n".join(lines) + "\n"
