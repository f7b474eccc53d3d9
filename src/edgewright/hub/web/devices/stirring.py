"""Which events change what orders say, and whose."""

from __future__ import annotations

from edgewright.hub.events import Event

KINDS = ("rollout.*", "packaging.release_bad", "bench.*", "automate.*", "data.collection", "fleet.*", "run.ended")
EVERYBODY = None
NOBODY: tuple[str, ...] = ()
_SILENT = frozenset(
    (
        "rollout.planned",
        "rollout.started",
        "rollout.done",
        "fleet.claimed",
        "fleet.fault",
        "fleet.enrolled",
    )
)


def whose(event: Event) -> tuple[str, ...] | None:
    """The devices whose orders may say something else from now on; EVERYBODY where the event does not tell."""
    if event.kind in _SILENT:
        return NOBODY
    if event.kind == "run.ended" and "deltas" not in event.subject:
        return NOBODY
    if "devices" in event.data:
        return tuple(event.data["devices"])
    if "device" in event.data:
        return (event.data["device"],)
    return EVERYBODY
