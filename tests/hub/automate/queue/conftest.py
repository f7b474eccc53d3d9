"""A queue of tasks on a real database, by a clock that tests move."""

from __future__ import annotations

import pytest

from edgewright.hub.automate.executors.queue import Grants, Tasks


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tasks(db, events, clock):
    return Tasks(db, events, clock, Grants(b"k" * 32))
