"""A device on a hub that an attacker may turn: real agent code, real metadata, signatures and sessions."""

from __future__ import annotations

import pytest
from origin import Forge
from scripted_hub import ScriptedHub
from wired import Agent


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub")
    yield hub
    hub.close()


@pytest.fixture
def agent(tmp_path, hub) -> Agent:
    return Agent(tmp_path / "agent", hub)


@pytest.fixture
def forge(tmp_path, hub) -> Forge:
    """The hub's published metadata, in the hands of whoever has its online keys."""
    return Forge(tmp_path / "hub" / "tuf", hub.keys, hub.operator)
