"""The client that verbs use: the login in use; and the project in hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewright.client import Client, Project


def connect() -> Client:
    """A client for the login in use: environment first, then what `edgewright login` kept."""
    from edgewright.client import Client

    return Client.from_environment()


def read_project(folder: Path) -> Project:
    """The project in `folder`."""
    from edgewright.client import Project

    return Project.read(folder)
