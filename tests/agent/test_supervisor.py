"""The supervisor against a hub that speaks HTTP: the honest way, and a hub that lies, refuses, or is away."""

from __future__ import annotations

import subprocess
import sys

import pytest
from device import NOW, serving_counter
from offline import windows, write
from scripted_hub import TTL_S, ScriptedHub
from securesystemslib.signer import CryptoSigner
from wired import Agent

from edgewright.agent.disk import policy
from edgewright.agent.disk.identity import load_identity
from edgewright.agent.disk.spool import Spool, Writer
from edgewright.agent.link import SignedTime
from edgewright.agent.serve.condense import condense
from edgewright.agent.states import Step
from edgewright.agent.status import read_status
from edgewright.contract.errors import NotAllowed, Unreachable
from edgewright.contract.order import FORMAT, Collect, Rollback
from edgewright.contract.report import Fault, InstallReport, Outcome, Pace


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub")
    yield hub
    hub.close()


@pytest.fixture
def agent(tmp_path, hub):
    return Agent(tmp_path / "agent", hub)


def outcomes(hub: ScriptedHub) -> list[Outcome]:
    return [record.outcome for record in hub.records if isinstance(record, InstallReport)]


def test_an_order_is_carried_out_and_reported(agent, hub):
    hub.release(1)

    agent.work()

    assert serving_counter(agent.root) == 1
    assert outcomes(hub) == [Outcome.COMMITTED]
    assert Spool(agent.root / "spool").backlog() == 0
    assert hub.check_ins[-1].models[0].counter == 1
    assert hub.check_ins[-1].models[0].held_manifests == (hub.installs[0].manifest_sha256,)


def test_a_check_in_says_what_the_device_has_measured(agent, hub):
    agent.work()
    before = hub.check_ins[-1].pace
    hub.release(1)

    agent.work()

    assert before == Pace()
    assert hub.check_ins[-1].pace.request_s > 0


def test_nothing_new_costs_one_short_answer(agent, hub):
    hub.release(1)
    agent.work()
    hub.asked.clear()

    agent.work(for_s=30.0)

    assert hub.asked == ["POST checkin"]


def test_a_silent_hub_is_believed_only_while_the_last_order_lives(agent, hub):
    agent.work()
    hub.is_silent = True

    agent.work(for_s=30.0)
    hub.now += TTL_S + 1
    agent.work(for_s=30.0)

    assert hub.check_ins[1].etag != ""
    assert {state.etag for state in hub.check_ins[2:]} == {""}


def test_an_update_a_bad_one_and_a_way_back(agent, hub):
    hub.release(1)
    agent.work()
    hub.release(2)
    agent.work(for_s=60.0)
    hub.installs, hub.rollbacks = (), (Rollback(deployment="d2", model="digits", counter=2, reason="gate"),)

    agent.work(for_s=60.0)

    assert serving_counter(agent.root) == 1
    assert outcomes(hub) == [Outcome.COMMITTED, Outcome.COMMITTED, Outcome.ROLLED_BACK]


def test_collect_orders_reach_the_apps(agent, hub):
    hub.release(1)
    hub.collects = (Collect(request="r7", model="digits", budget=40),)

    agent.work()

    told = policy.decode((agent.root / "models" / "digits" / "policy.json").read_bytes())
    assert told.sampling == policy.Sampling(request="r7", budget=40)


@pytest.mark.parametrize(
    "lie",
    [
        {"device": "dev2"},
        {"nonce": "another"},
        {"issued_at": NOW - 10_000.0},
        {"issued_at": NOW + 10_000.0},
        {"format": FORMAT + 1},
    ],
)
def test_an_order_that_is_not_for_this_device_now_is_not_carried_out(agent, hub, lie):
    hub.release(1)
    hub.forged = lie

    agent.work()

    assert serving_counter(agent.root) == 0
    assert not (agent.root / "models").exists()


def test_an_order_that_a_stranger_has_signed_is_not_carried_out(agent, hub):
    hub.release(1)
    hub.signer = CryptoSigner.generate_ed25519()

    agent.work()

    assert serving_counter(agent.root) == 0


def test_a_package_that_no_release_role_vouches_for_is_refused(agent, hub):
    signed = hub.release(1)
    evil, _, _ = hub.releases.install(7)
    hub.installs = (type(signed)(**{**_fields(signed), "manifest_sha256": evil.manifest_sha256}),)

    agent.work()

    assert serving_counter(agent.root) == 0
    assert outcomes(hub) == [Outcome.REFUSED]
    assert "no release role" in hub.records[0].reason


def test_a_session_that_has_ended_is_opened_anew(agent, hub):
    agent.work()
    hub.tokens.clear()
    hub.release(1)

    agent.work(for_s=60.0)

    assert serving_counter(agent.root) == 1


def test_a_revoked_device_asks_seldom_and_keeps_its_model(agent, hub):
    hub.release(1)
    agent.work()
    hub.is_revoked = True
    agent.work(for_s=30.0)
    hub.asked.clear()

    agent.work(for_s=599.0)

    assert hub.asked == ["POST checkin"]
    assert serving_counter(agent.root) == 1


def test_what_is_written_while_the_hub_is_away_is_sent_when_it_is_back(agent, hub):
    hub.release(1)
    agent.work()
    hub.is_away = True
    Writer(agent.root / "spool", "app").append(Fault(id="f1", at=NOW, code="x", message="m"))
    agent.work(for_s=5000.0)
    assert Spool(agent.root / "spool").backlog() == 1

    hub.is_away = False
    agent.work(for_s=700.0)

    assert hub.records[-1].id == "f1"
    assert serving_counter(agent.root) == 1


def test_windows_whose_answer_is_lost_are_never_merged_with_others(agent, hub, monkeypatch):
    spool, send = agent.root / "spool", agent.link.send
    write(spool, *windows(300))

    def lose_the_answer(batch):
        send(batch)
        raise Unreachable("cut off")

    monkeypatch.setattr(agent.link, "send", lose_the_answer)
    agent.work(for_s=60.0)

    assert len(hub.records) >= 300
    assert Spool(spool).backlog() == 300
    assert not condense(spool)


def test_a_record_that_the_hub_refuses_does_not_hold_up_the_others(agent, hub):
    for number in range(5):
        Writer(agent.root / "spool", "app").append(Fault(id=f"f{number}", at=NOW, code="x", message="m"))
    hub.refused_ids = {"f2"}

    agent.work()

    assert [record.id for record in hub.records] == ["f0", "f1", "f3", "f4"]
    assert Spool(agent.root / "spool").backlog() == 0


def test_a_device_whose_clock_was_lost_goes_by_the_last_signed_time(agent, hub):
    agent.work()

    time = SignedTime(agent.root, lambda: 0.0, lambda: 0.0)

    assert time.now() == NOW


@pytest.mark.parametrize("name", ["time.json", "time.json.bak"])
@pytest.mark.parametrize("harm", [None, b"", b"\0" * 30, b"{}"])
def test_one_lost_copy_of_the_last_signed_time_takes_no_device_back(agent, hub, name, harm):
    agent.work()
    (agent.root / name).unlink()
    if harm is not None:
        (agent.root / name).write_bytes(harm)

    assert SignedTime(agent.root, lambda: 0.0, lambda: 0.0).now() == NOW


def test_time_goes_on_where_a_clock_stands_still(agent, hub):
    agent.work()
    since = iter([100.0, 160.0])

    time = SignedTime(agent.root, lambda: 0.0, lambda: next(since))

    assert time.now() == NOW + 60.0


def test_an_agent_that_starts_again_goes_on_where_it_was(agent, hub):
    hub.release(1)
    agent.work()
    hub.release(2)
    while read_status(agent.root).models[0].step != Step.TRIAL:
        agent.delivery.turn()

    again = Agent(agent.root, hub).work()

    assert serving_counter(again.root) == 2
    assert hub.records[-1].interruptions == 1


def test_a_used_claim_is_refused_and_leaves_no_identity(tmp_path, hub):
    hub.is_claim_used = True

    with pytest.raises(NotAllowed, match="used already"):
        Agent(tmp_path / "agent", hub)

    assert load_identity(tmp_path / "agent") is None


def test_enrolling_again_after_a_lost_reply_uses_the_same_key(tmp_path, hub):
    with pytest.raises(Unreachable):
        Agent(tmp_path / "agent", hub, url="http://127.0.0.1:9")
    first = (tmp_path / "agent" / "device.key").read_bytes()

    Agent(tmp_path / "agent", hub)

    assert (tmp_path / "agent" / "device.key").read_bytes() == first
    assert (tmp_path / "agent" / "device.key").stat().st_mode & 0o777 == 0o600


def test_the_supervisor_carries_no_runtime_no_numpy_and_no_sql():
    code = (
        "import sys, edgewright.agent.supervisor, edgewright.agent.status, edgewright.agent.cli.wiring\n"
        "print({'numpy', 'onnxruntime', 'sqlalchemy', 'httpx', 'safetensors', 'http.server'} & set(sys.modules))"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "set()"


def _fields(struct) -> dict:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
