"""What a rehearsal's child process is asked, and the facts of the fleet that its copy of the hub does not hold."""

from __future__ import annotations

import msgspec

from edgewright.contract.api import Badness, RolloutDraft
from edgewright.contract.manifest import Budgets

FACTS = "facts.json"
"""Beside the copied hub's database: a Facts."""
GROUP = "rehearsed"
"""The group of the copy that has its devices."""

POLL_S = 30.0
"""How often agents check in that nobody has told."""


class DeviceFact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One device: what its hub knows of it beside its record.

    `told_s` is how often its groups or the hub tell it to check in; None: as it is set itself. `hours` are those of the
    day (UTC) in which it sent profiles of late; () for always. Latency and memory are what the release takes on its
    hardware, as far as that was measured; 0 where it was not.
    """

    id: str
    told_s: float | None
    site: str
    time_zone: str
    download_bytes_s: float
    request_s: float
    apply_bytes_s: float
    hours: tuple[int, ...] = ()
    latency_p95_ms: float = 0.0
    memory_bytes: int = 0

    @property
    def poll_s(self) -> float:
        """How often it checks in."""
        return self.told_s or POLL_S


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a fleet. `poll_s` is how often the hub has devices check in; None: it does not say.

    `failure_rate` is the share of past installs that failed by themselves. A device has `requests_h` requests an hour,
    of which `failed_share` get no answer. Answers score `score` on average (None: no scores are known), and
    `unsure_share` of them are among the version's lowest. `draft` is the rollout, scaled to `devices`, with the target
    that each of them gets; `budgets` are those of the packages, by target.
    """

    began_at: float
    poll_s: float | None
    failure_rate: float
    requests_h: float
    failed_share: float
    score: float | None
    unsure_share: float
    draft: RolloutDraft
    budgets: dict[str, Budgets]
    devices: tuple[DeviceFact, ...]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Play the rollout on a copy of the hub in `folder`, with a release that is bad in one way, or in none."""

    folder: str
    badness: Badness | None
    seed: int
