"""A hub with something to see: a fleet, rollouts, drift, versions and runs, put into its tables as the rooms would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from edgewright.contract.api import GateDraft, Lineage, Role, StudyState, UserDraft, VersionRecord
from edgewright.contract.profile import Profile, Schema, build_schema, encode_schema
from edgewright.contract.report import ProfileWindow
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.hub.app import Hub, build_hub
from edgewright.hub.fleet import table as fleet
from edgewright.hub.jobs import run_table
from edgewright.hub.optimize import table as optimize
from edgewright.hub.packaging import table as packaging
from edgewright.hub.registry import table as registry
from edgewright.hub.rollout import table as rollout
from edgewright.hub.rollout.running import ledger
from edgewright.hub.settings import Settings
from scenes.databases import database_url
from scenes.passwords import cheap_passwords
from scenes.studies import study

NOW = 1_800_000_000.0
USER, PASSWORD = "ana", "a long password"
COLUMNS = ("heat", "flow", "humidity", "current", "vibration", "pressure", "speed", "torque")
CONTRACT = Contract(
    inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, len(COLUMNS)), names=COLUMNS),), outputs=()
)


def empty_hub(folder: Path, clock: Callable[[], float] = lambda: NOW) -> Hub:
    """A hub with one user and nothing else; unless it is given one, its clock stands still."""
    hub = swift_hub(Settings(dir=folder), clock)
    hub.people.create("test", UserDraft(name=USER, password=PASSWORD, roles=(Role.VIEWER,)))
    return hub


def swift_hub(settings: Settings, clock: Callable[[], float]) -> Hub:
    """A hub on tables that were migrated once for all, with cheap passwords."""
    settings.dir.mkdir(parents=True, exist_ok=True)
    with cheap_passwords():
        return build_hub(settings.model_copy(update={"database_url": database_url(settings.dir)}), clock)


def filled_hub(folder: Path, clock: Callable[[], float] = lambda: NOW) -> Hub:
    """A hub in the middle of its work."""
    hub = empty_hub(folder, clock)
    with hub.db.write() as connection:
        add_models(hub, connection)
        for number in range(1, 9):
            add_device(connection, f"lane-{number}", seen_s_ago=3.0 * number if number != 6 else 400.0)
        add_releases(connection)
        add_rollouts(connection)
        add_runs(connection)
        add_studies(connection)
    send_profiles(hub, "defects", shift=0.9)
    send_profiles(hub, "wine", shift=0.0)
    return hub


def add_device(connection: sa.Connection, name: str, seen_s_ago: float = 1.0, labels: dict | None = None) -> str:
    """An enrolled device that runs defects and wine; returns its id."""
    number = int(connection.scalar(sa.select(sa.func.count()).select_from(fleet.device)) or 0) + 1
    id = f"d-{number:08x}"
    connection.execute(
        sa.insert(fleet.device).values(
            id=id,
            name=name,
            labels={"site": "berlin" if number < 5 else "oslo", "line": str(number % 3)} if labels is None else labels,
            public_key=number.to_bytes(32, "big"),
            claim_sha256="",
            arch="x86_64",
            cores=4,
            ram_bytes=8 * 10**9,
            disk_free_bytes=10**10,
            runtimes={"onnxruntime": "1.23.2"},
            agent_version="0.1.0",
            python="3.11",
            enrolled_at=NOW - 86_400,
            pace={},
        )
    )
    heard = {"device": id, "last_seen_at": NOW - seen_s_ago, "backlog": 12 if seen_s_ago > 60 else 0}
    connection.execute(sa.insert(fleet.device_heard).values(**heard))
    for model, counter in (("defects", 3 if number < 4 else 1), ("wine", 1)):
        row = {"device": id, "model": model, "version": counter, "counter": counter, "manifest_sha256": "0" * 64}
        step = "trial" if (model, number) == ("defects", 4) else "idle"
        connection.execute(
            sa.insert(fleet.device_model).values(
                **row, step=step, candidate_counter=0, held_manifests=[], reported_at=NOW - 5
            )
        )
    return id


def add_models(hub: Hub, connection: sa.Connection) -> None:
    """Three versions of defects, one of wine, each with a reference profile."""
    connection.execute(sa.insert(registry.model).values(name="defects", owner="ana", task="vision", created_at=NOW))
    connection.execute(sa.insert(registry.model).values(name="wine", owner="bob", task="tabular", created_at=NOW))
    for model, number, accuracy in (("defects", 1, 0.941), ("defects", 2, 0.112), ("defects", 3, 0.973)):
        _add_version(hub, connection, model, number, accuracy)
    _add_version(hub, connection, "wine", 1, 0.982)


def add_releases(connection: sa.Connection) -> None:
    """One that is good, one that is bad, one that rolls out, and one that awaits a signature."""
    states = (("defects", 1, "ready", ""), ("defects", 2, "bad", "wave 1: agreement 0.11, at least 0.90 is asked for"))
    for model, counter, state, reason in (*states, ("defects", 3, "ready", ""), ("wine", 1, "draft", "")):
        connection.execute(
            sa.insert(packaging.release).values(
                model=model,
                counter=counter,
                version=counter,
                digest="ab" * 32,
                state=state,
                author="ana",
                created_at=NOW - 5_000 / counter,
                bad_reason=reason,
            )
        )


def add_rollouts(connection: sa.Connection) -> None:
    """One that is done, one that a gate has halted, one on its way through its second wave."""
    done, back, reason = ["committed"] * 8, ["rolled_back"] + ["withdrawn"] * 7, "agreement 0.11 of 50 requests"
    _add_rollout(connection, 1, "done", ("passed", "passed", "passed"), done)
    _add_rollout(connection, 2, "halted", ("failed", "pending", "pending"), back, f"wave 1 failed: {reason}")
    going = ["committed"] * 3 + ["offered"] + ["pending"] * 4
    _add_rollout(connection, 3, "running", ("passed", "passed", "running"), going)


def add_runs(connection: sa.Connection) -> None:
    """Work that is done, that goes on, and that failed."""
    rows = (
        ("optimize", "defects/3/cpu-int8", "running", "measure 3 of 5", 0.6, ""),
        ("train", "defects", "done", "registered", 1.0, ""),
        ("train", "wine", "failed", "train", 0.4, "the command ended with code 1: no file named train.npz"),
        ("wave", "defects-3-1/3", "waiting", "for 5 devices", 0.3, ""),
    )
    for number, (kind, subject, state, step, fraction, error) in enumerate(rows):
        connection.execute(
            sa.insert(run_table).values(
                id=f"{kind}-{number}",
                kind=kind,
                subject=subject,
                args={},
                state=state,
                step=step,
                fraction=fraction,
                started_at=NOW - 60 * (number + 1),
                ended_at=NOW - 20 if state in ("done", "failed") else None,
                error=error,
                why="drift of defects",
            )
        )


def add_studies(connection: sa.Connection) -> None:
    """Of defects@3: one that is done and one before it, one that goes on, one that found nothing."""
    running = study(StudyState.RUNNING, id="optimize-0", target="raspberry-pi-5", ended_at=None)
    running = msgspec.structs.replace(running, trials=running.trials[:2], recommended="", chosen="", reasons=())
    unmet = ("nothing is below 10 kB: size_bytes binds; the nearest is t3 with 31.9 kB",)
    records = (
        study(),
        study(id="optimize-earlier", started_at=NOW - 9_000),
        running,
        study(StudyState.UNMET, id="optimize-unmet", target="x86-64-vnni", recommended="", chosen="", reasons=unmet),
    )
    for record in records:
        key = {"id": record.id, "model": record.model, "version": record.version, "target": record.target}
        row = {**key, "started_at": record.started_at, "record": msgspec.to_builtins(record), "op_types": []}
        connection.execute(sa.insert(optimize.study).values(**row))


def send_profiles(hub: Hub, model: str, shift: float, minutes: int = 30) -> None:
    """Half an hour of windows from two devices; in its second half, heat and flow have moved by `shift`."""
    random, schema = np.random.default_rng(1), _schema(model, 1)
    for minute in range(minutes):
        for device in ("d-00000005", "d-00000007"):
            end = NOW - 60.0 * (minutes - minute)
            batch = random.normal(size=(50, len(COLUMNS)))
            batch[:, :2] += shift * (minute >= minutes // 2)
            seen = Profile(schema)
            seen.update({"x": batch}, {}, 0.001)
            window = ProfileWindow(
                id=f"{model}:{minute}",
                model=model,
                version=1,
                counter=1,
                schema_sha256=schema.sha256,
                start=end - 60,
                end=end,
                rows=len(batch),
                payload=seen.to_bytes(),
            )
            with hub.db.write() as connection:
                hub.observe.ingest(connection, device, [window])
        hub.observe.detect(model, 1)


def _add_version(hub: Hub, connection: sa.Connection, model: str, number: int, accuracy: float) -> None:
    record = VersionRecord(
        model=model,
        version=number,
        source_sha256="cd" * 32,
        source_bytes=100_000,
        contract=CONTRACT,
        lineage=Lineage(parent=1 if number == 3 else 0, snapshot=f"{model}@{number}"),
        metrics={"accuracy": accuracy},
        task="classification",
        note="",
        created_at=NOW - 9_000 / number,
        created_by="ana",
        reference_sha256=hub.blobs.put_bytes(encode_schema(_schema(model, number))),
    )
    row = {"model": model, "version": number, "source_sha256": record.source_sha256}
    connection.execute(
        sa.insert(registry.version).values(**row, record=msgspec.to_builtins(record), created_at=record.created_at)
    )


def _schema(model: str, number: int) -> Schema:
    rows = np.random.default_rng(0).normal(size=(1300, len(COLUMNS)))
    return build_schema(CONTRACT, model, number, {"x": rows}, {})


def _add_rollout(
    connection: sa.Connection, counter: int, state: str, waves: tuple[str, ...], states: list[str], reason: str = ""
) -> None:
    id, started = f"defects-{counter}-1", NOW - 4_000 / counter
    ended_at = started + 240 if state != "running" else None
    shared = {"model": "defects", "version": counter, "counter": counter}
    head = {"release": f"defects/{counter}", "group": "lanes", "state": state, "reason": reason, "deltas_due_at": 0.0}
    head |= {"gate": msgspec.to_builtins(GateDraft()), "created_at": started, "created_by": "olga"}
    connection.execute(sa.insert(rollout.rollout).values(id=id, **shared, **head, ended_at=ended_at))
    for number, (size, wave_state) in enumerate(zip((1, 2, 5), waves, strict=True), start=1):
        times = {"started_at": started + 60 * number if wave_state != "pending" else None}
        times |= {"ended_at": started + 60 * number + 50 if wave_state in ("passed", "failed") else None}
        row = {"rollout": id, "number": number, "size": size, "state": wave_state, "attempt": 1, "run": ""}
        connection.execute(sa.insert(rollout.wave).values(**row, **times, reason=reason if number == 1 else ""))
    for number, deployed in enumerate(states, start=1):
        has_answered = deployed in ("committed", "rolled_back")
        deployment = dict(
            id=f"{id}/{number}",
            rollout=id,
            wave=1 if number == 1 else 2 if number < 4 else 3,
            device=f"d-{number:08x}",
            **shared,
            target="cpu-int8",
            target_path="",
            manifest_sha256="0" * 64,
            state=deployed,
            reason=reason if deployed == "rolled_back" else "",
            updated_at=started + 100,
            offered_at=started,
            agreement=0.11 if deployed == "rolled_back" else 0.96 if has_answered else None,
            received_bytes=18_300 if has_answered else 0,
            planned_bytes=0,
            interruptions=0,
            full_bytes=96_000,
            used_delta=counter == 3 and has_answered,
        )
        ledger.enter(connection, [deployment])
