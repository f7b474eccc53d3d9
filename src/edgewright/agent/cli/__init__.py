"""`edgewright-agent VERB`: the device's own command. Each verb has its file in verbs/; heavy imports wait in there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from edgewright.agent.cli.verbs import bundle, cache, doctor, logs, models, orders, rollback, run, status, tuf, version
from edgewright.contract.errors import EdgewrightError, NotAllowed

__all__ = ["main"]

VERBS = (run, status, doctor, models, logs, rollback, orders, bundle, cache, tuf, version)
EPILOG = """\
exit codes: 0 done, 1 refused by a rule, 2 usage, 3 not reachable, 4 not allowed

`edgewright-agent VERB --help` says more. The agent's folder is --dir, or what
EDGEWRIGHT_AGENT_DIR names, or /var/lib/edgewright.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, or the error's (see contract/errors.py)."""
    chosen = _parser().parse_args(arguments)
    try:
        code: int = chosen.act(chosen)
    except EdgewrightError as error:
        return _refuse(error)
    except PermissionError as error:
        what = f"this user may not use {error.filename}: {error.strerror}"
        return _refuse(NotAllowed(what, field="dir", hint="Ask as root (sudo), or as the agent's user."))
    except BrokenPipeError:  # whoever read has read enough
        sys.stderr.close()
        return 0
    return code


def _refuse(error: EdgewrightError) -> int:
    sys.stderr.write(f"error: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"help: {error.hint}\n")
    return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgewright-agent",
        description="Keeps the models on this device working.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb in VERBS:
        verb.add(verbs)
    return parser
