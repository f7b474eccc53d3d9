"""Rollouts on a real SQLite file with an enrolled fleet; packages come from an in-memory packaging room."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from edgewright.contract import httpsig, manifest
from edgewright.contract.api import (
    ClaimDraft,
    GateDraft,
    GroupDraft,
    PackageRecord,
    ReleaseRecord,
    ReleaseState,
    RolloutDraft,
)
from edgewright.contract.api import Role as UserRole
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.errors import NotFound
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.order import Fetch, Install, Rollback
from edgewright.contract.report import Capabilities, CheckIn, EnrolRequest, InstallReport, ModelState, Outcome, Pace
from edgewright.contract.tensors import Contract
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.fleet.model import key_sha256
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import Jobs
from edgewright.hub.packaging import Plan
from edgewright.hub.rollout import Rollouts
from edgewright.hub.rollout.directives import Directives
from scenes.databases import new_database

OPERATOR = Principal(name="olga", roles=(UserRole.OPERATOR,))


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def make_manifest(model: str, counter: int, target: str, **changes) -> Manifest:
    file = File(name="model.onnx", role=Role.MODEL, sha256=manifest.digest(f"{model}{counter}".encode()), size_bytes=9)
    made = Manifest(
        model=model,
        version=counter,
        counter=counter,
        target=target,
        hardware=("x86_64",),
        runtime=Runtime(name="onnxruntime", minimum="1.20", below="2"),
        files=(file,),
        contract=Contract(inputs=(), outputs=()),
        budgets=Budgets(latency_p95_ms=10, memory_bytes=2**20),
        tolerance=Tolerance(rtol=0, atol=0, min_argmax_agreement=1),
        recipe=(),
        lineage_sha256="",
    )
    return msgspec.structs.replace(made, **changes)


def digest_of(content: Manifest) -> str:
    return manifest.digest(manifest.encode(content))


class Shelf:
    """A packaging room in memory: releases that a test puts there, and a way to each of them."""

    jobs: Jobs

    def __init__(self) -> None:
        self.releases: dict[tuple[str, int], ReleaseRecord] = {}
        self.manifests: dict[str, Manifest] = {}
        self.planned: list[tuple[str, frozenset[str], Pace, int]] = []
        self.used: set[str] = set()
        self.runs: dict[str, dict[tuple[str, str], int]] = {}

    def put(self, model: str, counter: int, state: ReleaseState = ReleaseState.READY, **targets: Manifest) -> str:
        made = targets or {"cpu": make_manifest(model, counter, "cpu")}
        packages = []
        for name, content in made.items():
            digest = digest_of(content)
            self.manifests[digest] = content
            path, size_bytes = f"{model}/{counter}/{name}", sum(file.size_bytes for file in content.files)
            packages.append(
                PackageRecord(target=name, path=path, manifest_sha256=digest, size_bytes=size_bytes, recipe=())
            )
        self.releases[model, counter] = ReleaseRecord(
            id=f"{model}/{counter}",
            model=model,
            version=counter,
            counter=counter,
            digest="",
            state=state,
            packages=tuple(packages),
            author="anna",
            approvals=(),
            approvals_needed=1,
            signatures=("key",),
            signatures_needed=1,
            note="",
            created_at=0.0,
        )
        return f"{model}/{counter}"

    def release(self, model: str, counter: int) -> ReleaseRecord:
        try:
            return self.releases[model, counter]
        except KeyError as error:
            raise NotFound(f"there is no release {model}/{counter}", field="release") from error

    def manifest(self, sha256: str) -> Manifest:
        return self.manifests[sha256]

    def plan(self, wanted: str, held: frozenset[str], pace: Pace, max_fetches: int) -> Plan:
        self.planned.append((wanted, held, pace, max_fetches))
        return Plan(fetches=(self.delta_to(wanted),), sent_bytes=4, full_bytes=9, elapsed_s=1.0)

    def package(self, model: str, counter: int) -> str:
        """The digest of the manifest of a release's first package."""
        return self.releases[model, counter].packages[0].manifest_sha256

    def delta_to(self, manifest_sha256: str) -> Fetch:
        (file,) = self.manifests[manifest_sha256].files
        result = {"result_sha256": file.sha256, "result_bytes": file.size_bytes}
        return Fetch(base_sha256="ab" * 32, sha256="cd" * 32, size_bytes=4, **result)

    def note_used(self, fetches: tuple[Fetch, ...]) -> None:
        self.used.update(fetch.sha256 for fetch in fetches)

    def is_foreseen(self, base: str, wanted: str) -> bool:
        return any((base, wanted) in needs for needs in self.runs.values())

    def start(
        self, connection: sa.Connection, release: str, needs: Mapping[tuple[str, str], int], *, id: str, why: str
    ) -> str:
        self.runs[id] = dict(needs)
        return self.jobs.start(connection, "deltas", release, {}, id=id, why=why)

    def mark_bad(self, connection: sa.Connection, model: str, counter: int, reason: str) -> None:
        bad = msgspec.structs.replace(self.releases[model, counter], state=ReleaseState.BAD, bad_reason=reason)
        self.releases[model, counter] = bad


class World:
    """A hub with an operator, a fleet, and devices that do as the test says."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        self.shelf = Shelf()
        self.expected: dict[tuple[str, int], float] = {}
        self.devices: list[str] = []
        self.states: dict[str, dict[str, ModelState]] = {}
        self.signer = CryptoSigner.generate_ed25519()
        self.reports = 0
        self.pace = Pace()
        self.boot()

    def boot(self) -> None:
        """Start the hub, or start it again after it was killed."""
        self.events = Events(self.db, self.clock)
        self.audit = Audit(self.db, self.clock, self.signer)
        self.jobs = self.shelf.jobs = Jobs(self.db, self.events, self.clock)
        self.jobs.define("deltas", lambda context: {}, at_once=1)
        self.fleet = Fleet(self.db, self.events, self.audit, self.clock, lambda: b"", random.Random(1).randbytes)
        self.rollouts = Rollouts(
            self.db,
            self.events,
            self.audit,
            self.clock,
            self.jobs,
            self.fleet,
            self.shelf,
            self.shelf,
            lambda model, version: self.expected.get((model, version)),
        )

    def enrol(self, count: int, arch: str = "x86_64", **labels: str) -> list[str]:
        tokens = self.fleet.claim(OPERATOR, ClaimDraft(labels=labels, count=count)).tokens
        ids = [self.enrol_with(token, arch) for token in tokens]
        self.devices += ids
        for id in ids:
            self.check_in(id)
        return ids

    def group(self, name: str = "lanes", selector: str = "all") -> None:
        self.fleet.create_group(OPERATOR, GroupDraft(name=name, selector=selector))

    def start(self, release: str, waves: tuple[int, ...] = (1, 3, 8), **gate):
        draft = RolloutDraft(release=release, group="lanes", waves=waves, gate=GateDraft(**gate))
        return self.rollouts.start(OPERATOR, draft)

    def check_in(self, device: str):
        """What a poll does: state in, what to install and to give up out."""
        states = tuple(self.states.get(device, {}).values())
        self.fleet.check_in(device, CheckIn(nonce="n", models=states))
        orders = self.rollouts.orders_for(device, states, self.pace)
        return orders.installs, orders.rollbacks

    def install(self, device: str, outcome: Outcome = Outcome.COMMITTED, reason: str = "") -> Install | None:
        """Poll, and end the first install that is ordered with `outcome`."""
        installs, _ = self.check_in(device)
        if not installs:
            return None
        if outcome is Outcome.COMMITTED:
            self.run(device, installs[0].model, installs[0].counter)
        self.report(self.result(installs[0], outcome, reason), device)
        return installs[0]

    def run(self, device: str, model: str, counter: int) -> None:
        """Let the device run a release."""
        package = self.shelf.package(model, counter)
        state = ModelState(
            model=model,
            version=counter,
            counter=counter,
            manifest_sha256=package,
            step="idle",
            held_manifests=(package,),
        )
        self.states.setdefault(device, {})[model] = state

    def result(
        self, install: Install | Rollback, outcome: Outcome = Outcome.COMMITTED, reason: str = ""
    ) -> InstallReport:
        self.reports += 1
        return InstallReport(
            id=f"r{self.reports}",
            at=self.clock(),
            deployment=install.deployment,
            model=install.model,
            counter=install.counter,
            outcome=outcome,
            step="report",
            reason=reason,
            received_bytes=5,
            full_bytes=9,
        )

    def report(self, report: InstallReport, device: str) -> bool:
        with self.db.write() as connection:
            return self.rollouts.on_report(connection, device, report)

    def tick(self, rollout: str, wave: int, attempt: int = 1) -> str:
        return self.rollouts.waves.tick(rollout, wave, attempt).action

    def wave(self, rollout: str, number: int) -> list[str]:
        """The devices of a wave."""
        deployments = self.rollouts.rollout(rollout).deployments
        return [deployment.device for deployment in deployments if deployment.wave == number]

    def deploy(self, release: str) -> None:
        """Take a release to every device in one wave."""
        id = self.start(release, waves=(100,)).id
        self.rollouts.waves.end_deltas(id)
        self.tick(id, 1)
        for device in self.wave(id, 1):
            self.install(device)
        assert self.tick(id, 1) == "advance"

    def enrol_with(self, token: str, arch: str) -> str:
        key = Ed25519PrivateKey.generate()
        public_key = key.public_key().public_bytes_raw()
        machine = Capabilities(
            arch=arch,
            cores=1,
            ram_bytes=2**30,
            disk_free_bytes=1,
            runtimes={"onnxruntime": "1.23.2"},
            agent_version="1",
        )
        request = EnrolRequest(claim=token, public_key=public_key, name="lane", capabilities=machine)
        body, nonce = msgspec.json.encode(request), self.fleet.nonce().nonce
        headers = httpsig.sign(
            "POST", "/e", body, key=SoftKey(key), keyid=key_sha256(public_key), nonce=nonce, created=1
        )
        return self.fleet.enrol(request, {k.lower(): v for k, v in headers.items()}, body, "POST", "/e").device


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def operator() -> Principal:
    return OPERATOR


@pytest.fixture
def manifest_of():
    return make_manifest


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[World]:
    database = new_database(tmp_path)
    yield World(database, clock)
    database.close()


@pytest.fixture
def lanes(world):
    """Eight devices in the group 'lanes', and the release digits/1 ready."""
    world.group()
    world.shelf.put("digits", 1)
    return world.enrol(8)


@pytest.fixture
def veterans(world, lanes):
    """The eight devices, all running digits/1, and digits/2 ready."""
    world.deploy("digits/1")
    world.shelf.put("digits", 2)
    for device in lanes:
        world.check_in(device)
    return lanes


@pytest.fixture
def directives(world) -> Directives:
    """What people give for single devices, which is delivered by real rollouts."""
    rollouts, known = world.rollouts, lambda model: None
    planner, deploy = rollouts.planner, rollouts.deploy_one
    return Directives(world.db, world.events, world.audit, world.clock, world.fleet, planner, deploy, known)
