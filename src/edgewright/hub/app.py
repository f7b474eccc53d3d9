"""All wiring, by hand: which room gets what, and in which order they start and stop."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edgewright.contract.errors import NotFound
from edgewright.contract.wire import settle
from edgewright.hub.automate.executors import Ci, Executors, Local, RayJobs, Style
from edgewright.hub.automate.judging import Judging
from edgewright.hub.automate.pipelines.service import Pipelines
from edgewright.hub.automate.pipelines.wiring import Rooms
from edgewright.hub.automate.pipelines.wiring import build as build_pipelines
from edgewright.hub.automate.policies import Desk, Policies
from edgewright.hub.automate.starting import begins, checks
from edgewright.hub.automate.triggers import Firing, Listening, Ticking, Triggers
from edgewright.hub.benches import Benches, DeviceFigures
from edgewright.hub.commits import GroupCommit
from edgewright.hub.data import Collections, Data, DataPolicies
from edgewright.hub.data.erasure import Erasures, Keeper, Removal
from edgewright.hub.data.lake import Lake, Mover
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.folder import setting_up
from edgewright.hub.govern import Approvals, Audit, Keys, People
from edgewright.hub.jobs import Jobs
from edgewright.hub.observe import Alerts, Observe, Routes, Upkeep
from edgewright.hub.observe import build as build_observation
from edgewright.hub.optimize.service import Optimize
from edgewright.hub.optimize.targeting import Targets
from edgewright.hub.optimize.toolchains import installed
from edgewright.hub.packaging import Chain, ContentSignatures, Deltas, Limits, NoRoot, Packaging, Renewal, Repository
from edgewright.hub.packaging.keychanges import KeyChanges
from edgewright.hub.provenance import Provenance
from edgewright.hub.registry import Blobs, HoldOutCounts, Registry, decode_counts
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
    data_policies: DataPolicies
    collections: Collections
    lake: Lake
    erasures: Erasures
    keeper: Keeper
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
    alerts: Alerts
    routes: Routes
    upkeep: Upkeep
    executors: Executors
    pipelines: Pipelines
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
        self.upkeep.start()
        self.keeper.start()
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
        self.keeper.stop()
        self.upkeep.stop()
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
        task_key = keys.secret("tasks")
        route_key = keys.secret("routes")
    commits = GroupCommit(db, max_waiting=settings.commits_waiting)
    events = Events(db, clock)
    jobs = jobs_of(db, events, clock)
    repository = Repository(settings.dir / "tuf", keys.timestamp, keys.snapshot)
    audit = Audit(db, clock, keys.audit, repository.audit_keys)
    blobs = Blobs(settings.dir / "blobs")
    work_dir = settings.dir / "work"
    data = Data(db, events, audit, clock, blobs)
    registry = Registry(db, events, audit, clock, blobs, data.rows)
    data_policies = DataPolicies(db, events, audit, clock, registry)
    collections = Collections(db, events, audit, clock, registry, data_policies)
    serving = _serving(settings, blobs)
    lake = Lake(settings.lake, _lake_options(settings))
    removal = Removal(db, lake, lambda sha256: _forget(serving, blobs, sha256))
    keeper = Keeper(db, events, audit, clock, Mover(db, lake, blobs.path), removal, every_s=settings.lake_every_s)
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
        data_policies.signed,
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
        lambda model: pipelines.get(model).judging,
    )
    approvals = Approvals(db, events, audit, clock, people.users)
    policies = Policies(
        db, events, audit, clock, people, approvals, judging, packaging, lambda model: pipelines.get(model).judging
    )
    observation = build_observation(
        db,
        events,
        audit,
        clock,
        jobs,
        schema_of=lambda model, version: _schema(registry, blobs, model, version),
        metrics_of=lambda model, version: registry.version(model, version).metrics,
        counts_of=lambda model, version: _counts(registry, blobs, model, version),
        answers_of=data.answers,
        named=fleet.named,
        labels=settings.cohort_labels,
        key=route_key,
    )
    observe = observation.observe
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
        labels=data.answers,
        figures=Figures(device_figures.by_hardware, registry.variants),
    )
    executors = Executors(
        db,
        events,
        audit,
        clock,
        Local(blobs, work_dir, settings.hidden),
        secret=task_key,
        public_url=settings.public_url,
        ray=RayJobs(settings.ray_url, settings.ray_token) if settings.ray_url else None,
        ci=_ci(settings),
    )
    Succession(db, events, clock, fleet, rollouts.planner, rollouts.deploy_one)
    key_changes = KeyChanges(db, events, audit, clock, repository, keys)
    if db.is_shared:  # another hub may have put other keys in use
        events.watch(("packaging.key_change_published",), key_changes.on_published)
    pipelines = build_pipelines(
        Rooms(
            db=db,
            events=events,
            audit=audit,
            clock=clock,
            people=people,
            jobs=jobs,
            registry=registry,
            data=data,
            blobs=blobs,
            provenance=provenance,
            optimize=optimize,
            packaging=packaging,
            rollouts=rollouts,
            judging=judging,
            policies=policies,
            executors=executors,
            collections=collections,
            on_repaired=observe.resolve,
        )
    )
    is_live = observation.alerts.is_any_live
    firing = Firing(db, events, audit, clock, begins(pipelines, people), lambda _, ids: is_live(ids))
    listening = Listening(db, events, clock, firing, lambda: keys.secret("webhooks"))
    jobs.define("optimize", optimize.body)
    events.subscribe("run.ended", optimize.on_run_ended)
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
        serving=serving,
        data=data,
        data_policies=data_policies,
        collections=collections,
        lake=lake,
        erasures=Erasures(db, audit, clock, data, registry, blobs, removal),
        keeper=keeper,
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
        alerts=observation.alerts,
        routes=observation.routes,
        upkeep=observation.upkeep,
        executors=executors,
        pipelines=pipelines,
        triggers=Triggers(db, audit, clock, firing, checks(pipelines), lambda: keys.secret("webhooks")),
        listening=listening,
        ticking=Ticking(listening.look, executors.forgetting.look),
        judging=judging,
        policies=policies,
        desk=Desk(db, approvals, people, packaging),
    )


def _ci(settings: Settings) -> Ci | None:
    if not settings.ci_url:
        return None
    return Ci(settings.ci_url, settings.ci_secret, Style(settings.ci_style), settings.ci_token, settings.ci_ref)


def _delta_limits(settings: Settings) -> Limits:
    return Limits(
        disk_bytes=settings.delta_disk_bytes,
        run_cpu_s=settings.delta_run_cpu_s,
        pair_cpu_s=settings.delta_pair_cpu_s,
        max_bases=settings.delta_bases,
        at_once=settings.delta_workers,
    )


def _lake_options(settings: Settings) -> dict[str, str]:
    """Beside the AWS_* variables."""
    options = {"AWS_REGION": settings.s3_region, "AWS_ENDPOINT_URL": settings.s3_endpoint}
    if settings.s3_endpoint.startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
    return {name: value for name, value in options.items() if value}


def _forget(serving: Serving, blobs: Blobs, sha256: str) -> None:
    serving.forget(sha256)
    blobs.delete(sha256)


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


def _counts(registry: Registry, blobs: Blobs, model: str, version: int) -> HoldOutCounts | None:
    sha256 = registry.version(model, version).hold_out_sha256
    return decode_counts(blobs.path(sha256).read_bytes()) if sha256 else None
