"""The agent's log: one JSON object a line; messages are constant, facts are fields.

Lines go to standard error and, once `start` was told a folder, to files there, which together keep to a bound.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgewright.agent.system.logs.file import LogFile

logger = logging.getLogger("edgewright.agent")

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # sd-daemon(3)


def say(message: str, *, level: int = logging.INFO, **facts: object) -> None:
    """Log a constant message with its facts."""
    logger.log(level, message, extra={"facts": facts})


def warn(message: str, **facts: object) -> None:
    """Log something that people should look at."""
    say(message, level=logging.WARNING, **facts)


def start(folder: Path | None = None, max_bytes: int = 0, environment: Mapping[str, str] = os.environ) -> None:
    """Send the log to standard error, and to files in `folder` of together at most `max_bytes`.

    A journal that reads standard error (systemd says so) stamps the time itself, so those lines go without.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(_JournalLines() if _is_journal(environment) else _Lines())
    if folder is not None and max_bytes > 0:
        handlers.append(_FileHandler(LogFile(folder, max_bytes)))
        handlers[1].setFormatter(_Lines())
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _is_journal(environment: Mapping[str, str]) -> bool:
    """systemd.exec(5): JOURNAL_STREAM is the device and inode of the stream that the journal reads."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


class _FileHandler(logging.Handler):
    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        self._file.append(self.format(record).encode())


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return _encode({"at": at, **_facts(record)})


class _JournalLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelname.lower(), 6)}>{_encode(_facts(record))}"


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = {"level": record.levelname.lower(), "message": record.getMessage(), **getattr(record, "facts", {})}
    if record.exc_info:
        facts["error"] = logging.Formatter().formatException(record.exc_info)
    return facts


def _encode(line: dict[str, object]) -> str:
    return msgspec.json.encode(line, enc_hook=str).decode()
