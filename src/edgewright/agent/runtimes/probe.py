"""Asks one runtime what it is and what it can compute with: `python -m edgewright.agent.runtimes.probe NAME`.

In a process of its own, as importing a runtime takes memory, and may crash on a processor that it was not built for.
Standard output is one line of JSON; what the runtime itself prints goes to standard error.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import msgspec

from edgewright.agent.runtimes import start_runtime
from edgewright.contract.errors import NotFound
from edgewright.contract.wire import Word, read_json

MAX_LINE_BYTES = 64 * 1024


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. Without a `version`, the runtime is not installed, for this `reason`."""

    version: Word = ""
    providers: tuple[Word, ...] = ()
    reason: str = ""


def probe(name: str) -> Probed:
    """Import the runtime and ask it."""
    try:
        runtime = start_runtime(name)
    except NotFound as error:
        return Probed(reason=error.message)
    return Probed(version=runtime.version, providers=runtime.providers)


def decode(line: bytes) -> Probed:
    """What a probe printed. Raises HostileInput."""
    return read_json(line, Probed, "what a probe found")


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe the runtime that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m edgewright.agent.runtimes.probe", description=probe.__doc__)
    parser.add_argument("name", help="a plug-in of edgewright.runtimes")
    name = parser.parse_args(arguments).name
    with os.fdopen(os.dup(1), "wb") as lines:
        os.dup2(2, 1)
        lines.write(msgspec.json.encode(probe(name)) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
