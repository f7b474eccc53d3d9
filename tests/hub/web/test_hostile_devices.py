"""Devices that lie: what one sends may cost itself its records, never another device's, nor the hub."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
import safetensors.numpy
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar.testing import TestClient

from edgewright.contract import httpsig
from edgewright.contract.api import SampleRecord
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.profile import Profile, decode_schema
from edgewright.contract.report import (
    Batch,
    BatchReply,
    CheckIn,
    Fault,
    InstallReport,
    ModelState,
    Outcome,
    ProfileWindow,
    Record,
    Sample,
    ShadowResult,
)
from edgewright.hub.app import Hub
from edgewright.hub.data import table as data
from edgewright.hub.events import event_table
from edgewright.hub.fleet import table as fleet
from edgewright.hub.rollout import table as rollouts
from edgewright.hub.web.server import build_app
from scenes.dashboard import NOW, add_device, add_models, add_rollouts, empty_hub

REQUEST, BUDGET = "repair-defects-1", 3
ROW = safetensors.numpy.save({"x": np.zeros((1, 8), np.float32)})


class Liar:
    """An enrolled device that signs whatever it likes."""

    def __init__(self, hub: Hub, web: TestClient, name: str) -> None:
        self.web = web
        self.key = Ed25519PrivateKey.generate()
        with hub.db.write() as connection:
            self.id = add_device(connection, name)
            key = self.key.public_key().public_bytes_raw()
            mine = fleet.device.c.id == self.id
            connection.execute(sa.update(fleet.device).where(mine).values(public_key=key))
        self.token = self.signed("/session", b"{}", self.id).json()["token"]

    def signed(self, door: str, body: bytes, keyid: str, **headers: str):
        nonce = self.web.post("/device/v1/nonce").json()["nonce"]
        path = f"/device/v1{door}"
        signature = httpsig.sign("POST", path, body, key=SoftKey(self.key), keyid=keyid, nonce=nonce, created=int(NOW))
        return self.web.post(path, content=body, headers=signature | headers)

    def send(self, *records: Record):
        return self.send_raw(msgspec.msgpack.encode(Batch(records=records)))

    def send_raw(self, body: bytes):
        return self.signed("/batch", body, self.id, Authorization=f"Bearer {self.token}")

    def get(self, path: str, **headers: str):
        return self.web.get(f"/device/v1{path}", headers={"Authorization": f"Bearer {self.token}", **headers})

    def check_in(self, body: bytes):
        return self.web.post("/device/v1/checkin", content=body, headers={"Authorization": f"Bearer {self.token}"})


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    hub = empty_hub(tmp_path_factory.mktemp("hostile"))
    with hub.db.write() as connection:
        add_models(hub, connection)
        hub.collections.open(connection, REQUEST, "defects", BUDGET)
        policy = {"model": "defects", "policy": {"may_leave": True}, "set_by": "ana", "set_at": NOW}
        connection.execute(sa.insert(data.data_policy).values(policy))
        for number in range(8):
            add_device(connection, f"lane-{number}")
        add_rollouts(connection)
    yield hub
    hub.db.close()


@pytest.fixture(scope="module")
def web(hub):
    with TestClient(build_app(hub)) as web:
        yield web


@pytest.fixture
def devices(hub, web):
    """Two that no test has used yet."""
    return [Liar(hub, web, name) for name in ("one", "two")]


@pytest.fixture
def liar(devices):
    return devices[0]


def sample(**changes) -> Sample:
    facts = {"id": "s1", "request": REQUEST, "model": "defects", "version": 1, "at": NOW, "reference": ""}
    facts |= {"chosen_as": "uncertain", "uncertainty": 0.5, "inputs": ROW, "outputs": b""}
    return Sample(**(facts | changes))


def window(hub, **changes) -> ProfileWindow:
    schema = decode_schema(hub.blobs.path(hub.registry.version("defects", 1).reference_sha256).read_bytes())
    seen = Profile(schema)
    seen.update({"x": np.zeros((60, 8))}, {}, 0.001)
    facts = {"id": "w1", "model": "defects", "version": 1, "counter": 1, "schema_sha256": schema.sha256}
    facts |= {"start": NOW - 60, "end": NOW, "rows": 60, "payload": seen.to_bytes()}
    return ProfileWindow(**(facts | changes))


def report(**changes) -> InstallReport:
    facts = {"id": "r1", "at": NOW, "deployment": "defects-3-1/5", "model": "defects", "counter": 3}
    return InstallReport(**(facts | {"outcome": Outcome.COMMITTED, "step": "commit"} | changes))


def committed(reply) -> tuple[str, ...]:
    assert reply.status_code == 200, reply.text
    return msgspec.msgpack.decode(reply.content, type=BatchReply).committed


@pytest.mark.parametrize(
    "body",
    [b"\xc1", b"\x81\x80\x01", msgspec.msgpack.encode({"records": [{"type": "fault", "code": "????"}]})],
    ids=["no msgpack", "a map as a key", "half a record"],
)
def test_a_body_that_is_no_batch_is_a_mistake_of_the_sender(liar, body):
    assert liar.send_raw(body).status_code == 400


def test_text_that_is_not_utf8_is_a_mistake_of_the_sender(liar):
    batch = msgspec.msgpack.encode(Batch(records=(Fault(id="f", at=NOW, code="????", message=""),)))

    assert liar.send_raw(batch.replace(b"????", b"\xff\xfe\xfd\xfc")).status_code == 400
    assert liar.check_in(b'{"nonce": "\xff"}').status_code == 400


def test_a_body_nested_beyond_measure_is_a_mistake_of_the_sender(liar, web):
    deep = b'{"nonce": "n", "later": ' + b"[" * 100_000

    assert liar.check_in(deep).status_code == 400
    assert web.post("/device/v1/enrol", content=deep).status_code == 400
    assert liar.send_raw(b"\x82\xa7records\x90\xa5later" + b"\x91" * 100_000).status_code == 400


@pytest.mark.parametrize("pace", [{"download_bytes_s": -1.0}, {"request_s": 1e30}, {"apply_bytes_s": 1e300}])
def test_a_pace_that_cannot_be_is_refused_by_its_name(liar, pace):
    reply = liar.check_in(msgspec.json.encode({"nonce": "n", "pace": pace}))

    assert reply.status_code == 400
    assert reply.json()["error"]["field"] == f"pace.{next(iter(pace))}"


def test_a_batch_of_too_many_records_is_refused(liar):
    faults = [Fault(id=str(number), at=NOW, code="c", message="") for number in range(5001)]

    assert liar.send(*faults).status_code == 400


@pytest.mark.parametrize("range_", ["bytes=" + "9" * 5000 + "-", "bytes=-1", "bytes=0-1", "lines=1-"])
def test_a_range_that_makes_no_sense_harms_nothing(hub, liar, range_):
    sha256 = hub.blobs.put_bytes(b"some bytes")

    assert liar.get(f"/blobs/{sha256}", Range=range_).status_code in (200, 206, 416)


@pytest.mark.parametrize("door", ["/tuf/..", "/tuf/%2e%2e%2fhub.sqlite", "/tuf/timestamp.json%00", "/blobs/..", "/x"])
def test_no_path_leads_out_of_what_is_served(liar, door):
    assert liar.get(door).status_code in (404, 422)


@pytest.mark.parametrize("name", ["nonce", "etag"])
def test_a_check_in_with_a_word_of_megabytes_is_refused(liar, name):
    check_in = msgspec.structs.replace(CheckIn(nonce="n"), **{name: "x" * 1_000_000})

    assert liar.check_in(msgspec.json.encode(check_in)).status_code == 400


@pytest.mark.parametrize("changes", [{"model": "x" * 101}, {"counter": 2**40}, {"version": -1}, {"step": "\0"}])
def test_a_state_that_cannot_be_is_refused(liar, changes):
    facts = {"model": "m", "version": 1, "counter": 1, "manifest_sha256": "", "step": "idle"} | changes

    reply = liar.check_in(msgspec.json.encode(CheckIn(nonce="n", models=(ModelState(**facts),))))

    assert reply.status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"request": "never-asked"},
        {"model": "wine"},
        {"model": "x" * 1_000_000},
        {"version": 99},
        {"version": 2**63},
        {"version": -1},
        {"uncertainty": math.nan},
        {"at": math.nan},
        {"at": math.inf},
        {"id": ""},
        {"id": "x" * 1000},
        {"reference": "x" * 1000},
        {"chosen_as": "whim"},
        {"inputs": b"garbage"},
        {"inputs": safetensors.numpy.save({"y": np.zeros((1, 8), np.float32)})},
        {"inputs": safetensors.numpy.save({"x": np.zeros((2, 8), np.float32)})},
        {"inputs": safetensors.numpy.save({"x": np.zeros((1, 9), np.float32)})},
        {"inputs": safetensors.numpy.save({"x": np.zeros((8,), np.float32)})},
        {"inputs": safetensors.numpy.save({"x": np.zeros((0, 8), np.float32)})},
    ],
)
def test_a_sample_that_will_not_do_is_dropped_and_holds_up_no_other(hub, liar, changes):
    bad, good = sample(**changes), sample(id="good")

    reply = liar.send(bad, good)

    assert set(committed(reply)) == {bad.id, "good"}
    assert [item.id for item in samples(hub, liar)] == [f"{liar.id}:good"]
    assert [event["count"] for event in events(hub, "data.samples_refused", liar)] == [1]


def test_a_device_sends_no_more_samples_than_were_asked_for(hub, liar):
    liar.send(*(sample(id=str(number)) for number in range(100)))
    liar.send(*(sample(id=str(number)) for number in range(200)))

    assert len(samples(hub, liar)) == BUDGET


def test_the_samples_of_two_devices_with_one_id_are_two(hub, devices):
    first, second = devices
    other_row = safetensors.numpy.save({"x": np.ones((1, 8), np.float32)})

    first.send(sample(id="same"))
    second.send(sample(id="same", inputs=other_row))

    found = samples(hub, first, second)
    assert {item.device for item in found} == {first.id, second.id}
    assert len({item.sha256 for item in found}) == 2


def test_a_batch_that_is_played_again_counts_once(hub, liar):
    records = (window(hub), sample())

    liar.send(*records)
    liar.send(*records)

    assert rows(hub, liar) == [(1, 60)]
    assert len(samples(hub, liar)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "x" * 1_000_000},
        {"model": "unknown"},
        {"version": 99},
        {"version": 2**63},
        {"rows": -1},
        {"rows": 2**63},
        {"start": math.nan},
        {"start": -1e300},
        {"end": 1e300},
        {"end": NOW + 10 * 86_400},
        {"payload": b""},
        {"id": "x" * 1000},
    ],
)
def test_a_window_that_will_not_do_is_dropped_and_holds_up_no_other(hub, liar, changes):
    bad, good = window(hub, **changes), window(hub, id="good")

    reply = liar.send(bad, good)

    assert "good" in committed(reply)
    assert rows(hub, liar) == [(1, 60)]
    hub.observe.detect("defects", 1)


def test_two_devices_may_use_the_same_window_id(hub, devices):
    for device in devices:
        device.send(window(hub, id="same"))

    assert [rows(hub, device) for device in devices] == [[(1, 60)], [(1, 60)]]


@pytest.fixture
def deployed(hub, liar):
    """The liar is the fifth device of a rollout, and has been offered its release."""
    with hub.db.write() as connection:
        mine = rollouts.deployment.c.id == "defects-3-1/5"
        values = {"device": liar.id, "state": "offered"}
        connection.execute(sa.update(rollouts.deployment).where(mine).values(**values))
    return liar


def deployment(hub, number: int):
    of = rollouts.deployment
    with hub.db.read() as connection:
        return connection.execute(sa.select(of).where(of.c.id == f"defects-3-1/{number}")).one()


def test_a_device_cannot_speak_for_the_deployment_of_another(hub, deployed):
    before = deployment(hub, 4)

    reply = deployed.send(report(deployment="defects-3-1/4"))

    assert committed(reply) == ("r1",)
    assert deployment(hub, 4) == before


@pytest.mark.parametrize(
    "changes", [{"counter": 2}, {"counter": 2**63}, {"model": "wine"}, {"deployment": "x" * 10**6}]
)
def test_a_report_that_does_not_fit_its_deployment_changes_nothing(hub, deployed, changes):
    reply = deployed.send(report(**changes))

    assert committed(reply) == ("r1",)
    assert deployment(hub, 5).state == "offered"


def test_numbers_in_a_report_that_cannot_be_are_not_believed(hub, deployed):
    shadow = ShadowResult(requests=-1, agreement=math.nan, score_shift=math.inf, latency_ratio=-1.0)
    lies = report(interruptions=2**63, received_bytes=-5, full_bytes=2**63, shadow=shadow, reason="x" * 1_000_000)

    committed(deployed.send(lies))

    row = deployment(hub, 5)
    assert row.state == "committed"
    assert (row.interruptions, row.received_bytes, row.full_bytes) == (2**31 - 1, 0, 2**50)
    assert row.agreement is None
    with hub.db.read() as connection:
        mine = rollouts.install_report.c.device == deployed.id
        body = connection.scalar(sa.select(rollouts.install_report.c.body).where(mine))
    assert len(str(body)) < 5000


def test_a_report_that_is_played_again_counts_once(hub, deployed):
    deployed.send(report())
    deployed.send(report(outcome=Outcome.ROLLED_BACK))

    assert deployment(hub, 5).state == "committed"
    assert len(events(hub, "rollout.reported", deployed)) == 1


def test_a_fault_of_megabytes_is_cut(hub, liar):
    liar.send(Fault(id="f", at=NOW, code="x" * 1_000_000, message="y" * 1_000_000))

    (facts,) = events(hub, "fleet.fault", liar)
    assert (len(facts["code"]), len(facts["message"])) == (100, 500)


def samples(hub: Hub, *devices: Liar) -> list[SampleRecord]:
    names = {device.id for device in devices}
    return [item for item in hub.data.samples() if item.device in names]


def rows(hub: Hub, device: Liar) -> list[tuple[int, int]]:
    """Windows and rows that were counted for a device."""
    return [(record.windows, record.rows) for record in hub.observe.usage() if record.device == device.id]


def events(hub: Hub, kind: str, device: Liar) -> list[dict]:
    """What the events of a kind say that tell of a device."""
    query = sa.select(event_table).where(event_table.c.kind == kind)
    with hub.db.read() as connection:
        found = connection.execute(query).all()
    return [event.data for event in found if device.id in (event.subject, event.data.get("device"))]
