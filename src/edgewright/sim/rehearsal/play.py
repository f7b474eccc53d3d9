"""Plays a rollout on a copied hub with rehearsed devices, and tells what came of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec
import sqlalchemy as sa

from edgewright.agent.states import ModelRecord, SlotRecord
from edgewright.client.keys import ceremony
from edgewright.contract.api import Badness, GroupDraft, RehearsedRun, RolloutRecord, WaveDraft
from edgewright.contract.report import ModelState
from edgewright.contract.trusted import TrustedSet
from edgewright.hub.events import Event
from edgewright.hub.fleet import table as fleet_table
from edgewright.hub.govern import Keys
from edgewright.hub.rehearsals.question import FACTS, GROUP, Facts, Question
from edgewright.hub.rollout.model import WaveState
from edgewright.hub.web.devices.stirring import KINDS, whose
from edgewright.sim.rehearsal.behaviour import CRASHES_AFTER_S, CRASHES_LAST_S, Behaviour
from edgewright.sim.rehearsal.device import Device, Shared
from edgewright.sim.rehearsal.outcome import ENDS, Outcome
from edgewright.sim.rehearsal.requests import Requests
from edgewright.sim.rehearsal.talk import Line
from edgewright.sim.world.agenda import Agenda, dice
from edgewright.sim.world.hub import SimHub
from edgewright.sim.world.hush import hushed
from edgewright.sim.world.releases import OPERATOR

LONGEST_S = 14 * 86_400.0
BEAT_S = 20.0
PROMOTED_S = 60.0
REST_S = 900.0  # after the end, in which devices go back and the last of them answer


def play(question: Question) -> RehearsedRun:
    """Play one rollout to its end."""
    with hushed(), Stage(question) as stage:
        return stage.run()


class Stage:
    """The copied hub and its rehearsed devices, for one play."""

    def __init__(self, question: Question) -> None:
        folder, self._seed = Path(question.folder), question.seed
        self._facts = facts = msgspec.json.decode((folder / FACTS).read_bytes(), type=Facts)
        self._badness = question.badness
        self._agenda = Agenda(facts.began_at)
        keys = Keys(folder / "keys").public()
        ceremony(folder / "operator", folder / "tuf", keys, datetime.fromtimestamp(facts.began_at, UTC))
        self.hub = SimHub(folder, self._agenda, self._seed, poll_s=facts.poll_s)
        self._devices = self._assemble(self._seed)
        chance = dice(self._seed, "requests")
        self._requests = Requests(self.hub.hub.db, self._agenda, facts, self._devices, self._badness, chance)
        self.hub.hub.events.watch(KINDS, self._stir)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of everything."""
        self.hub.close()

    def run(self) -> RehearsedRun:
        """Play until the rollout has ended and its devices have answered, or for two weeks."""
        record = self.begin()
        outcome = Outcome(self.hub, record.id, self._facts, self._badness, self._agenda)
        self.hub.hub.events.watch(ENDS, outcome.hear)
        ends_at = self._facts.began_at + LONGEST_S
        while self._agenda.next_at < ends_at:
            self._agenda.step()
            if outcome.ended_at is not None:
                ends_at = min(ends_at, outcome.ended_at + self._rest_s())
        return outcome.tell(self._devices.values())

    def begin(self) -> RolloutRecord:
        """Start the rollout; nobody has heard of it yet."""
        hub = self.hub.hub
        hub.fleet.create_group(OPERATOR, GroupDraft(name=GROUP, devices=tuple(self._devices)))
        self._set_paces()
        self._beat()
        self._agenda.every(BEAT_S, self._beat)
        record = hub.rollouts.start(OPERATOR, self._facts.draft)
        self._requests.follow(record)
        self.hub.settle()
        self._promote_when_asked(record.id)
        return record

    def _set_paces(self) -> None:
        """Let the hub know how often it told devices to check in: it judges by that who is away."""
        presence = self.hub.hub.fleet.presence
        for fact in self._facts.devices:
            presence.heartbeats.tell(presence.memory.row(fact.id), fact.told_s)
        paces = {fact.told_s for fact in self._facts.devices if fact.told_s} - {self._facts.poll_s}
        for number, told_s in enumerate(sorted(paces)):
            devices = tuple(fact.id for fact in self._facts.devices if fact.told_s == told_s)
            draft = GroupDraft(name=f"{GROUP}-{number}", devices=devices, poll_s=told_s)
            self.hub.hub.fleet.create_group(OPERATOR, draft)

    def _promote_when_asked(self, id: str) -> None:
        """A person who is asked for says yes at once: how long people take is theirs to know."""
        waves = self._facts.draft.waves
        if any(isinstance(wave, WaveDraft) and wave.needs_promotion for wave in waves):
            self._agenda.every(PROMOTED_S, functools.partial(self._promote, id))

    def _promote(self, id: str) -> None:
        if any(wave.state == WaveState.WAITING for wave in self.hub.hub.rollouts.rollout(id).waves):
            self.hub.hub.rollouts.promote(OPERATOR, id, "rehearsed")
            self.hub.settle()

    def _rest_s(self) -> float:
        return CRASHES_AFTER_S + CRASHES_LAST_S + REST_S if self._badness is Badness.CRASHES else REST_S

    def _assemble(self, seed: int) -> dict[str, Device]:
        shared = Shared(
            Line(self.hub, self._agenda, self._trust()),
            functools.cache(self.hub.hub.packaging.manifest),
            Behaviour(self._badness, self._facts),
        )
        devices = {fact.id: Device(fact, shared, dice(seed, fact.id)) for fact in self._facts.devices}
        for id, states in self.hub.hub.fleet.states(list(devices)).items():
            devices[id].records = {state.model: _record(state) for state in states}
        of = fleet_table.device.c
        rows = [{"of": id, "key": device.talk.key.public_key.raw} for id, device in devices.items()]
        with self.hub.hub.db.write() as connection:
            known = sa.update(fleet_table.device).where(of.id == sa.bindparam("of"))
            connection.execute(known.values(public_key=sa.bindparam("key")), rows)
        return devices

    def _trust(self) -> Callable[[], TrustedSet]:
        """What devices believe: read once, as the online keys do not change here."""
        tuf = self.hub.hub.packaging.tuf_file
        trusted = TrustedSet.from_root(tuf("1.root.json"))
        return lambda: trusted

    def _stir(self, event: Event) -> None:
        named = whose(event)
        for id in self._devices if named is None else named:
            if id in self._devices:
                self._devices[id].stir()

    def _beat(self) -> None:
        """Let the hub have heard of every device that is on when it would have: with its last poll."""
        memory, now = self.hub.hub.fleet.presence.memory, self._agenda.now
        for id, device in self._devices.items():
            if (heard_at := device.heard_at(now)) is not None:
                row = memory.row(id)
                memory.seen_at[row] = max(memory.seen_at[row], heard_at)


def _record(state: ModelState) -> ModelRecord:
    """What a device must have on its disk that reports this."""
    active = SlotRecord(
        counter=state.counter, version=state.version, manifest_sha256=state.manifest_sha256, target="", is_settled=True
    )
    spare = next((sha256 for sha256 in state.held_manifests if sha256 != state.manifest_sha256), "")
    kept = SlotRecord(counter=0, version=0, manifest_sha256=spare, target="") if spare else None
    is_active = bool(state.manifest_sha256)
    return ModelRecord(
        model=state.model,
        active="a" if is_active else "",
        slots={"a": active if is_active else None, "b": kept},
        floor=state.counter,
    )
