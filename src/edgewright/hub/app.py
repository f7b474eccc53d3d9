"""All wiring, by hand: which room gets what, and in which order they start and stop."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from edgewright.contract.errors import NotFound
from edgewright.contract.wire import settle
from edgewright.hub.automate import NEWS, Automate, Firing, Listening, Repair, Ticking, Triggers
from edgewright.hub.automate.judging import Judging
from edgewright.hub.automate.policies import Desk, Policies
from edgewright.hub.benches import Benches, DeviceFigures
from edgewright.hub.commits import GroupCommit
from edgewright.hub.data import Data
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.folder import setting_up
from edgewright.hub.govern import Approvals, Audit, Keys, People
from edgewright.hub.jobs import Jobs
from edgewright.hub.observe import Observe
from edgewright.hub.optimize.service import Optimize
from edgewright.hub.optimize.targeting import Targets
from edgewright.hub.optimize.toolchains import installed
from edgewright.hub.packaging import Chain, ContentSignatures, Deltas, Limits, NoRoot, Packaging, Renewal, Repository
from edgewright.hub.packaging.keychanges import KeyChanges
from edgewright.hub.provenance import Provenance
from edgewright.hub.registry import Blobs, Registry
from edgewright.hub.registry.serving import ByNginx, FromDisk, FromS3, Serving, open_bucket
from edgewright.hub.rehearsals import Rehearsals
from edgewright.hub.rollout import Carried, Directives, Figures, Rollouts, Succession
from edgewright.hub.settings import Settings

log = structlog.get_logger()

UPLOAD_S = 3600.0  # another hub may be taking in what was written to since then


@dataclass(frozen=True)
class Hub:
    """Every room of one hub."""

    settings: Settings
    clock: Callable[[], float]
    db: Database
    commits: GroupCommit
    events: Events
    jobs: Jobs
    keys: Keys
    audit: Audit
    people: People
    blobs: Blobs
    serving: Serving
    data: Data
    registry: Registry
    targets: Targets
    optimize: Optimize
    packaging: Packaging
    chain: Chain
    content: ContentSignatures
    key_changes: KeyChanges
    deltas: Deltas
    renewal: Renewal
    fleet: Fleet
    rollouts: Rollouts
    directives: Directives
    carried: Carried
    rehearsals: Rehearsals
    benches: Benches
    observe: Observe
    automate: Automate
    triggers: Triggers
    listening: Listening
    ticking: Ticking
    judging: Judging
    policies: Policies
    desk: Desk

    def start(self) -> None:
        """Begin to work; what a crash cut off goes on where it was."""
        settle()
        self.blobs.sweep(time.time() - UPLOAD_S if self.db.is_shared else float("inf"))
        self._sign_online()
        self.renewal.start()
        self.jobs.launch(self.settings.dir / "runs.sqlite")
        self.commits.start()
        self.events.start()
        self.ticking.start()
        self.fleet.presence.start(self.clock())

    def _sign_online(self) -> None:
        """Without a root that names this hub's keys it begins too: people must be able to sign one that does."""
        try:
            self.key_changes.follow()
            self.packaging.renew()
        except NoRoot as error:
            log.error("hub.keys_not_in_root", why=error.message, hint="edgewright keys rotate online")

    def stop(self) -> None:
        """Stop; nothing is lost."""
        self.ticking.stop()
        self.renewal.stop()
        self.serving.close()
        self.events.stop()
        self.jobs.shut_down()
        self.commits.stop()
        self.fleet.flush()
        self.db.close()


def build_hub(
    settings: Settings,
    clock: Callable[[], float] = time.time,
    *,
    jobs_of: Callable[[Database, Events, Callable[[], float]], Jobs] = Jobs,
    token_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> Hub:
    """Build a hub on `settings.dir`, whose tables are brought up to date. It does nothing before `start`.

    The simulator brings its own clock, `jobs_of` that take no real time, and `token_bytes` that a seed gives.
    """
    settings.dir.mkdir(parents=True, exist_ok=True)
    db = Database(settings.url)
    db.migrate()
    with setting_up(settings.dir):
        keys = Keys(settings.dir / "keys")
        nonce_key = keys.secret("nonces") if db.is_shared else None
    commits = GroupCommit(db, max_waiting=settings.commits_waiting)
    events = Events(db, clock)
    jobs = jobs_of(db, events, clock)
    repository = Repository(settings.dir / "tuf", keys.timestamp, keys.snapshot)
    audit = Audit(db, clock, keys.audit, repository.audit_keys)
    blobs = Blobs(settings.dir / "blobs")
    work_dir = settings.dir / "work"
    data = Data(db, events, audit, clock, blobs)
    registry = Registry(db, events, audit, clock, blobs, data.rows)
    provenance = Provenance(db, clock, blobs, keys.audit, repository.audit_keys)
    targets = Targets(db, audit, clock)
    device_figures = DeviceFigures(db)
    optimize = Optimize(
        db,
        events,
        audit,
        clock,
        registry,
        data,
        blobs,
        jobs,
        provenance,
        targets,
        work_dir,
        toolchains=lambda: installed(settings.dir / "toolchains"),
        device_figures=device_figures.of,
    )
    chain = Chain(clock, registry, data, blobs, provenance)
    content = ContentSignatures(db, audit, clock, blobs)
    packaging = Packaging(
        db,
        events,
        audit,
        clock,
        registry,
        blobs,
        targets.get,
        repository,
        keys.director,
        chain,
        content,
        settings.approvals_needed,
    )
    deltas = Deltas(db, blobs, clock, jobs, work_dir, _delta_limits(settings))
    fleet = Fleet(db, events, audit, clock, packaging.root_bytes, token_bytes, commits, nonce_key)
    people = People(db, audit, clock)
    judging = Judging(
        db,
        audit,
        clock,
        jobs,
        registry,
        data,
        blobs,
        provenance,
        packaging.releases,
        lambda model: automate.pipeline(model).judging,
    )
    approvals = Approvals(db, events, audit, clock, people.users)
    policies = Policies(db, events, audit, clock, people, approvals, judging, packaging)
    observe = Observe(db, events, audit, clock, lambda model, version: _schema(registry, blobs, model, version))
    rollouts = Rollouts(
        db,
        events,
        audit,
        clock,
        jobs,
        fleet,
        packaging,
        deltas,
        judging.expected_agreement,
        behaviour=observe,
        labels=data.labelled,
        figures=Figures(device_figures.by_hardware, registry.variants),
    )
    automate = Automate(db, events, audit, clock, jobs, registry, data, blobs, provenance, work_dir, settings.hidden)
    Succession(db, events, clock, fleet, rollouts.planner, rollouts.deploy_one)
    key_changes = KeyChanges(db, events, audit, clock, repository, keys)
    if db.is_shared:  # another hub may have put other keys in use
        events.watch(("packaging.key_change_published",), key_changes.on_published)
    repair = Repair(
        db, audit, clock, people, jobs, automate, judging, registry, data, optimize, packaging, rollouts, observe
    )
    jobs.define("repair", repair.body, is_heavy=False)
    for kind in NEWS:
        events.subscribe(kind, repair.on_news)
    firing = Firing(db, events, audit, clock, repair.begin, lambda _, ids: _is_live(observe, ids))
    listening = Listening(db, events, clock, firing, lambda: keys.secret("webhooks"))
    jobs.define("optimize", optimize.body)
    events.subscribe("run.ended", optimize.on_run_ended)
    events.subscribe("observe.windows", lambda event: _detect(observe, event))
    return Hub(
        settings=settings,
        clock=clock,
        db=db,
        commits=commits,
        events=events,
        jobs=jobs,
        keys=keys,
        audit=audit,
        people=people,
        blobs=blobs,
        serving=_serving(settings, blobs),
        data=data,
        registry=registry,
        targets=targets,
        optimize=optimize,
        packaging=packaging,
        chain=chain,
        content=content,
        key_changes=key_changes,
        deltas=deltas,
        renewal=Renewal(packaging.renew),
        fleet=fleet,
        rollouts=rollouts,
        directives=Directives(db, events, audit, clock, fleet, rollouts.planner, rollouts.deploy_one, registry.model),
        rehearsals=Rehearsals(db, clock, jobs, rollouts.planner, fleet, blobs, work_dir, settings.poll_s),
        carried=Carried(db, audit, clock, fleet, packaging, deltas),
        benches=Benches(db, events, audit, clock, fleet, packaging, deltas),
        observe=observe,
        automate=automate,
        triggers=Triggers(db, audit, clock, firing, automate.pipeline, lambda: keys.secret("webhooks")),
        listening=listening,
        ticking=Ticking(listening.look),
        judging=judging,
        policies=policies,
        desk=Desk(db, approvals, people, packaging),
    )


def _delta_limits(settings: Settings) -> Limits:
    return Limits(
        disk_bytes=settings.delta_disk_bytes,
        run_cpu_s=settings.delta_run_cpu_s,
        pair_cpu_s=settings.delta_pair_cpu_s,
        max_bases=settings.delta_bases,
        at_once=settings.delta_workers,
    )


def _serving(settings: Settings, blobs: Blobs) -> Serving:
    match settings.blob_serving:
        case "hub":
            return FromDisk(blobs)
        case "nginx":
            return ByNginx(blobs, settings.nginx_location)
        case "s3":
            bucket = open_bucket(settings.s3_url, settings.s3_endpoint, settings.s3_region)
            return FromS3(blobs, bucket, link_s=settings.s3_link_s, monotonic=time.monotonic)


def _schema(registry: Registry, blobs: Blobs, model: str, version: int) -> bytes | None:
    try:
        sha256 = registry.version(model, version).reference_sha256
    except NotFound:
        return None
    return blobs.path(sha256).read_bytes() if sha256 else None


def _detect(observe: Observe, event: Event) -> None:
    observe.detect(event.data["model"], event.data["version"])


def _is_live(observe: Observe, ids: Sequence[str]) -> bool:
    return any(alert.id in ids and alert.state.is_live for alert in observe.alerts())
