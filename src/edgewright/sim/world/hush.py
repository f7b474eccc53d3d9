"""Keeps hub and agents from logging what a simulation does to them on purpose."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import structlog

from edgewright.agent.system import logs


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Nothing but what is critical is logged in here, by any thread."""
    before, level = structlog.get_config(), logs.logger.level
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logs.logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        structlog.configure(**before)
        logs.logger.setLevel(level)
