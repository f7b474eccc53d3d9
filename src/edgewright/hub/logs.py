"""The hub's log: one JSON object a line on stderr; messages are constant, facts are fields, secrets stay out."""

from __future__ import annotations

import sys

import structlog


def set_up() -> None:
    """Write the log of this process as JSON lines. Tracebacks come without local variables, which may hold secrets."""
    plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.ExceptionRenderer(plain),
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
