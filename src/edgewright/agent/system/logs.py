"""The agent's log: one JSON object a line on standard error; messages are constant, facts are fields."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec

logger = logging.getLogger("edgewright.agent")


def say(message: str, *, level: int = logging.INFO, **facts: object) -> None:
    """Log a constant message with its facts."""
    logger.log(level, message, extra={"facts": facts})


def warn(message: str, **facts: object) -> None:
    """Log something that people should look at."""
    say(message, level=logging.WARNING, **facts)


def start() -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()
