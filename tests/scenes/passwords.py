"""Passwords that cost a hub of a test a millisecond: what keeps guessers off is two tenths of a second of one core."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST


@contextmanager
def cheap_passwords() -> Iterator[None]:
    """A hub that is built in here hashes with the least work that Argon2 knows."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = functools.partial(PasswordHasher.from_parameters, CHEAPEST)
        patch.setattr("edgewright.hub.govern.service.PasswordHasher", cheap)
        yield
