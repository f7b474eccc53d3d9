"""The words of a device's status. Times are in seconds since the epoch, 0 where there is none."""

from __future__ import annotations

import msgspec


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One model: what serves, what is on its way, what was rejected (manifest digests with reasons)."""

    model: str
    version: int
    counter: int
    floor: int
    step: str
    slot: str
    spare_counter: int = 0
    candidate_version: int = 0
    candidate_counter: int = 0
    received_bytes: int = 0  # of the candidate, and what all of it has without deltas
    full_bytes: int = 0
    tries_left: int = 0
    interruptions: int = 0
    last_outcome: str = ""
    last_outcome_counter: int = 0
    crashes: int = 0
    rejected: dict[str, str] = {}


class AppFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an app on this device requires of a model: a contract's version in words, '' for tensors of its own."""

    app: str
    user: int
    required: str


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One model's package: `contract` is its version, 0 for none; inputs and outputs as 'name dtype[shape]'."""

    model: str
    version: int = 0
    counter: int = 0
    contract: int = 0
    target: str = ""
    runtime: str = ""
    size_bytes: int = 0
    priority: int = 0
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    apps: tuple[AppFacts, ...] = ()


class WorkerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How one model is served by the agent, as of now."""

    model: str
    phase: str
    version: int = 0
    is_standing_in: bool = False
    pid: int = 0
    rss_bytes: int = 0
    requests: int = 0
    priority: int = 0
    crashes: int = 0
    reason: str = ""


class LiveState(msgspec.Struct, frozen=True, kw_only=True):
    """What only the running agent knows. `waits` says why, if downloads, a switch of models or an install have to wait,
    and `turned_away` why the hub will not have this device.

    `measures` is the package that a bench is about, as model/counter and the request; '' for none.
    """

    pid: int
    agent_version: str
    started_at: float
    rss_bytes: int = 0
    contacted_at: float = 0.0
    next_check_in_s: float = 0.0
    budget_bytes: int = 0  # of a day; 0: no limit
    used_bytes: int = 0
    waits: tuple[str, ...] = ()
    turned_away: str = ""
    measures: str = ""
    workers: tuple[WorkerFacts, ...] = ()


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """The disk under the agent's folder, and what the folder takes of it."""

    free_bytes: int
    total_bytes: int
    models_bytes: int
    staging_bytes: int
    spool_bytes: int
    spool_max_bytes: int
    logs_bytes: int


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """What the clock shows, the last time that the hub has signed, and how far ahead of the hub's the clock is."""

    shows: float
    last_signed: float
    ahead_s: float | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The device. `agent` is None where no agent runs, or where it may not be asked (`agent_note` says so)."""

    device: str
    name: str
    hub: str
    labels: dict[str, str]
    backlog: int
    models: tuple[ModelStatus, ...]
    agent: LiveState | None = None
    agent_note: str = ""
    key: str = "file"
    disk: Disk | None = None
    clock: Clock | None = None
    runtimes: dict[str, str] = {}
