"""The pipelines' room on real rooms, with the sandboxed executor."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import sqlalchemy as sa

from edgewright.contract.api import Does, JudgingRules, Overrides
from edgewright.hub.automate.executors import Local
from edgewright.hub.automate.judging import Judging
from edgewright.hub.automate.pipelines.commands.listening import Listening
from edgewright.hub.automate.pipelines.commands.performing import Performing
from edgewright.hub.automate.pipelines.commands.training import Training
from edgewright.hub.automate.pipelines.commands.transferring import Transferring
from edgewright.hub.automate.pipelines.records import Records
from edgewright.hub.automate.pipelines.running import Running
from edgewright.hub.automate.pipelines.service import KIND, Pipelines
from edgewright.hub.automate.pipelines.steps.clean import Clean
from edgewright.hub.automate.pipelines.steps.command import Command
from edgewright.hub.automate.pipelines.steps.evaluate import Evaluate
from edgewright.hub.automate.pipelines.steps.train import Train
from edgewright.hub.govern import People
from edgewright.hub.govern.table import user
from edgewright.hub.optimize.service import Optimize
from edgewright.hub.optimize.targeting import Targets
from scenes.steps import linear


class Room(NamedTuple):
    """The door, and what performs its runs."""

    pipelines: Pipelines
    jobs: object
    people: People

    def run(self, principal, overrides=None, **facts):
        """Run the pipeline of `lines` to its end, and return the run and its steps."""
        begun = self.pipelines.run(principal, "lines", overrides or Overrides(**facts), why="a test")
        self.jobs.work()
        return self.jobs.get(begun.id), {step.name: step for step in self.pipelines.steps(begun.id)}


@pytest.fixture
def executor(blobs, tmp_path):
    return Local(blobs, tmp_path / "work", [tmp_path])


@pytest.fixture
def room(db, events, audit, clock, jobs, registry, data, blobs, provenance, executor, tmp_path, ana) -> Room:
    people = People(db, audit, clock)
    with db.write() as connection:
        roles = [role.value for role in ana.roles]
        row = {"name": ana.name, "password_hash": "", "roles": roles, "created_at": 1.0}
        connection.execute(sa.insert(user).values(**row))
    targets = Targets(db, audit, clock)
    optimize = Optimize(
        db, events, audit, clock, registry, data, blobs, jobs, provenance, targets, tmp_path / "optimize"
    )
    judging = Judging(
        db, audit, clock, jobs, registry, data, blobs, provenance, lambda model: (), lambda model: JudgingRules()
    )
    listening = Listening(jobs, clock)
    transferring = Transferring(registry, optimize, listening)
    training = Training(db, clock, registry, data, blobs, provenance, executor, listening, transferring)
    performing = Performing(db, jobs, data, executor, listening, training)
    records = Records(db)
    pipelines = Pipelines(db, audit, clock, jobs, registry, data, blobs, records, performing, lambda where: None)
    command = Command(data, blobs, performing)
    train = Train(registry, training, performing)
    doings = {
        Does.CLEAN: Clean(people, data, blobs, registry, command),
        Does.TRAIN: train,
        Does.TRANSFER: train,
        Does.EVALUATE: Evaluate(registry, data, judging),
        Does.COMMAND: command,
    }
    running = Running(records, clock, doings, lambda model: 0, lambda job: None)
    jobs.define(KIND, running.body)
    return Room(pipelines, jobs, people)


@pytest.fixture
def model(tmp_path):
    """Where a file of a small real model lies, which a training can copy."""
    (tmp_path / "made.onnx").write_bytes(linear(2.0))
    return tmp_path / "made.onnx"
