"""`edgewright-agent logs`: what the agent wrote down."""

from __future__ import annotations

import argparse
import re
import sys
import time
from datetime import datetime
from typing import Any

from edgewright.agent.cli import folder
from edgewright.contract.errors import UsageError

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the verb."""
    verb = verbs.add_parser("logs", help="show what the agent wrote down in DIR/logs")
    verb.set_defaults(act=act)
    folder.add_dir(verb)
    verb.add_argument("-n", "--lines", type=int, default=50, metavar="N", help="how many lines, the last ones (50)")
    verb.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until interrupted")
    verb.add_argument(
        "--level", choices=("debug", "info", "warning", "error", "critical"), default="debug", help="at least this one"
    )
    verb.add_argument("--model", default="", help="what is about this model alone")
    verb.add_argument("--since", default="", metavar="WHEN", help="not before: 90s, 15m, 2h, 3d, or 2026-03-01T12:00")
    verb.add_argument("--json", action="store_true", help="as the lines of JSON that they are")


def act(chosen: argparse.Namespace) -> int:
    """Show the log's last lines, then follow it if asked to."""
    from edgewright.agent.system import Stop
    from edgewright.agent.system.logs import reading

    root = folder.existing(chosen)
    wanted = reading.Wanted(chosen.level, chosen.model, _moment(chosen.since, time.time()))
    for line in reading.tail(root / "logs", wanted, max(0, chosen.lines)):
        _show(line, as_json=chosen.json)
    if chosen.follow:
        stop = Stop()
        stop.listen()
        for line in reading.follow(root / "logs", wanted, stop.wait):
            _show(line, as_json=chosen.json)
    return 0


def _moment(text: str, now: float) -> float:
    """Seconds since the epoch; raises UsageError."""
    if not text:
        return 0.0
    if match := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return now - int(match[1]) * SPANS[match[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"'{text}' is no time", field="since", hint="Say 15m, 2h, 3d, or 2026-03-01T12:00.") from error


def _show(line: dict[str, Any], *, as_json: bool) -> None:
    import msgspec

    if as_json:
        text = msgspec.json.encode(line).decode()
    else:
        facts = {name: value for name, value in line.items() if name not in ("at", "level", "message")}
        rest = " ".join(f"{name}={_plain(value)}" for name, value in facts.items())
        mark = "" if line.get("level") in ("info", "debug") else f"{str(line.get('level', '')).upper()} "
        text = f"{str(line.get('at', ''))[:19]}  {mark}{line.get('message', '')}" + (f"  {rest}" if rest else "")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _plain(value: object) -> str:
    """A value that cannot be mistaken for the next one, and does nothing to the terminal."""
    text = str(value)
    return text if text.isprintable() and " " not in text else ascii(text)
