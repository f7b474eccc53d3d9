"""Puts the parts of the room together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgewright.contract.api import Does
from edgewright.hub.automate.executors import Executors
from edgewright.hub.automate.judging import Judging
from edgewright.hub.automate.pipelines.allowing import Allowing
from edgewright.hub.automate.pipelines.commands.listening import Listening
from edgewright.hub.automate.pipelines.commands.performing import Performing
from edgewright.hub.automate.pipelines.commands.training import Training
from edgewright.hub.automate.pipelines.commands.transferring import Transferring
from edgewright.hub.automate.pipelines.job import Doing
from edgewright.hub.automate.pipelines.records import Records
from edgewright.hub.automate.pipelines.running import Running
from edgewright.hub.automate.pipelines.service import KIND, NEWS, Pipelines
from edgewright.hub.automate.pipelines.steps.clean import Clean
from edgewright.hub.automate.pipelines.steps.collect import Collect
from edgewright.hub.automate.pipelines.steps.command import Command
from edgewright.hub.automate.pipelines.steps.evaluate import Evaluate
from edgewright.hub.automate.pipelines.steps.optimise import Optimise
from edgewright.hub.automate.pipelines.steps.package import Package
from edgewright.hub.automate.pipelines.steps.roll_out import OnRepaired, RollOut
from edgewright.hub.automate.pipelines.steps.train import Train
from edgewright.hub.automate.policies import Policies
from edgewright.hub.data import Collections, Data
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, People
from edgewright.hub.jobs import Jobs
from edgewright.hub.optimize.service import Optimize
from edgewright.hub.packaging import Packaging
from edgewright.hub.provenance import Provenance
from edgewright.hub.registry import Blobs, Registry
from edgewright.hub.rollout import Rollouts


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """What pipelines work with."""

    db: Database
    events: Events
    audit: Audit
    clock: Callable[[], float]
    people: People
    jobs: Jobs
    registry: Registry
    data: Data
    blobs: Blobs
    provenance: Provenance
    optimize: Optimize
    packaging: Packaging
    rollouts: Rollouts
    judging: Judging
    policies: Policies
    executors: Executors
    collections: Collections
    on_repaired: OnRepaired


def build(rooms: Rooms) -> Pipelines:
    """The room's door. Its runs are defined at the jobs room, and hear of news."""
    listening = Listening(rooms.jobs, rooms.clock)
    training = Training(
        rooms.db,
        rooms.clock,
        rooms.registry,
        rooms.data,
        rooms.blobs,
        rooms.provenance,
        rooms.executors,
        listening,
        Transferring(rooms.registry, rooms.optimize, listening),
    )
    performing = Performing(rooms.db, rooms.jobs, rooms.data, rooms.executors, listening, training)
    records = Records(rooms.db)
    pipelines = Pipelines(
        rooms.db,
        rooms.audit,
        rooms.clock,
        rooms.jobs,
        rooms.registry,
        rooms.data,
        rooms.blobs,
        records,
        performing,
        rooms.executors.check,
    )
    doings = _doings(rooms, training, performing)
    running = Running(records, rooms.clock, doings, rooms.judging.champion, Allowing(rooms.policies))
    rooms.jobs.define(KIND, running.body, is_heavy=False)
    for news in NEWS:
        rooms.events.subscribe(news, pipelines.on_news)
    return pipelines


def _doings(rooms: Rooms, training: Training, performing: Performing) -> dict[Does, Doing]:
    command = Command(rooms.data, rooms.blobs, performing)
    train = Train(rooms.registry, training, performing)
    return {
        Does.COLLECT: Collect(rooms.db, rooms.people, rooms.data, rooms.collections),
        Does.CLEAN: Clean(rooms.people, rooms.data, rooms.blobs, rooms.registry, command),
        Does.TRAIN: train,
        Does.TRANSFER: train,
        Does.EVALUATE: Evaluate(rooms.registry, rooms.data, rooms.judging),
        Does.OPTIMISE: Optimise(rooms.db, rooms.jobs, rooms.registry, rooms.data, rooms.optimize, rooms.judging),
        Does.PACKAGE: Package(rooms.people, rooms.packaging),
        Does.ROLL_OUT: RollOut(rooms.db, rooms.people, rooms.rollouts, rooms.on_repaired),
        Does.COMMAND: command,
    }
