"""Goes through all checks; none of them can stop the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgewright.agent.disk import Identity, Settings, load_identity, settings
from edgewright.agent.doctor.checks import clock, folder, hub, identity, metadata, models, processes, runtimes, spool
from edgewright.agent.doctor.finding import Case, Check, Finding, bad
from edgewright.contract.errors import EdgewrightError, InvalidInput

CHECKS: dict[str, tuple[Check, ...]] = {
    "folder": (folder.permissions, folder.file_system, folder.space),
    "identity": (identity.enrolment, identity.key),
    "agent": (processes.agent, processes.sockets, processes.memory),
    "models": (models.records, models.files, models.troubles),
    "runtimes": (runtimes.installed,),
    "spool": (spool.fill, spool.damage),
    "trust": (metadata.floors, metadata.expiry),
    "clock": (clock.against_the_hub,),
    "hub": (hub.steps,),
}
"""By what they are about. The hub comes last: its steps may take as long as its line allows."""


def examine(root: Path, environment: Mapping[str, str], *, is_offline: bool = False) -> Iterator[Finding]:
    """Findings as they are made. `is_offline` leaves the hub alone."""
    kept, odd_settings = _settings(root)
    known, odd_identity = _identity(root)
    yield from (finding for finding in (odd_settings, odd_identity) if finding is not None)
    case = Case(root, kept, known, environment, time.time, time.monotonic)
    for about, checks in CHECKS.items():
        if about == "hub" and is_offline:
            continue
        for check in checks:
            yield from _run(check, case, about)


def _run(check: Check, case: Case, about: str) -> Iterator[Finding]:
    try:
        yield from check(case)
    except PermissionError as error:
        yield bad(about, f"{error.filename or error} cannot be read", "Run doctor as root, or as the agent's user.")
    except (OSError, EdgewrightError) as error:
        name = check.__name__.replace("_", " ")
        yield bad(about, f"'{name}' cannot be examined: {error}", "Is the disk sound? `dmesg` may say more.")


def _settings(root: Path) -> tuple[Settings, Finding | None]:
    try:
        return settings.load(root), None
    except InvalidInput as error:
        return Settings(), bad(
            "settings", error.message, f"Mend {root / settings.NAME}, or remove it for the defaults."
        )
    except OSError as error:
        return Settings(), bad(
            "settings", f"they cannot be read: {error}", "Run doctor as root, or as the agent's user."
        )


def _identity(root: Path) -> tuple[Identity | None, Finding | None]:
    try:
        return load_identity(root), None
    except InvalidInput as error:
        return None, bad(
            "identity", error.message, "Enrol anew: remove identity.json, then `run` with --hub and --claim."
        )
    except OSError as error:
        return None, bad("identity", f"it cannot be read: {error}", "Run doctor as root, or as the agent's user.")
