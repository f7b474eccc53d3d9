"""Check-ins answered from memory: nothing is asked of the database, and nothing that has changed is missed."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.contract.api import DeviceState, Role
from edgewright.contract.envelope import unverified_payload
from edgewright.contract.errors import ErrorReply
from edgewright.contract.order import Order, etag
from edgewright.contract.report import Capabilities, CheckIn, ModelState, Pace
from edgewright.hub.data import table as data
from edgewright.hub.events import Events, event_table
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import token_sha256
from edgewright.hub.govern import Principal
from edgewright.hub.web.devices import DeviceDoors
from scenes.dashboard import NOW, add_device, empty_hub

RUNNING = ModelState(model="defects", version=3, counter=3, manifest_sha256="0" * 64, step="idle")
OPERATOR = Principal(name="olga", roles=(Role.OPERATOR,))
OLD_S = 80_000.0


class Agent:
    """What a device says, and what it remembers of the answers."""

    def __init__(self, hub, doors, name):
        self.hub, self.doors = hub, doors
        self.token = f"ews_{name:A<43}"
        with hub.db.write() as connection:
            self.id = add_device(connection, name)
            row = {"token_sha256": token_sha256(self.token), "device": self.id, "expires_at": NOW + 3600}
            connection.execute(sa.insert(table.session).values(**row))
        self.said = CheckIn(nonce="n", models=(RUNNING,), life="one")
        self.turn = 0

    async def ask(self, **changes):
        self.turn += 1
        self.said = msgspec.structs.replace(
            self.said, **{"turn": self.turn, "order_age_s": 0.0, "machine": None, **changes}
        )
        self.turn = self.said.turn
        body, sent = msgspec.json.encode(self.said), []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        headers = [(b"authorization", b"Bearer " + self.token.encode())]
        scope = {"type": "http", "method": "POST", "path": "/device/v1/checkin", "headers": headers}
        await self.doors(scope, receive, send)
        self.headers = dict(sent[0]["headers"])
        self.body = sent[1]["body"]
        if sent[0]["status"] == 200:
            self.said = msgspec.structs.replace(self.said, etag=etag(self.order))
        return sent[0]["status"]

    def check_in(self, **changes):
        return asyncio.run(self.ask(**changes))

    @property
    def payload(self):
        return unverified_payload(self.body)

    @property
    def order(self):
        return msgspec.json.decode(self.payload, type=Order)

    @property
    def error(self):
        return msgspec.json.decode(self.body, type=ErrorReply).error.code


@pytest.fixture
def hub(tmp_path):
    hub = empty_hub(tmp_path)
    yield hub
    hub.stop()


@pytest.fixture
def doors(hub):
    doors = DeviceDoors(hub)
    hub.events.look()
    return doors


@pytest.fixture
def agent(hub, doors):
    """A device that has its order, and tells nothing new from now on."""
    agent = Agent(hub, doors, "lane-1")
    assert [agent.check_in(), agent.check_in()] == [200, 304]
    return agent


@pytest.fixture
def statements(hub):
    """What the database is asked, but for how transactions begin, and the heartbeats that are written behind."""
    seen = []

    def note(_connection, _cursor, statement, *_rest):
        if not statement.startswith(("BEGIN", "SELECT pg_advisory_xact_lock", "INSERT INTO device_heard")):
            seen.append(statement)

    sa.event.listen(hub.db.engine, "before_cursor_execute", note)
    return seen


def other_hubs_event(hub, kind, subject, **data):
    """As another hub records it, which shares the database."""
    with hub.db.write() as connection:
        row = {"at": NOW, "kind": kind, "subject": subject, "data": data}
        connection.execute(sa.insert(event_table).values(row))


def test_who_tells_nothing_new_costs_the_database_nothing(agent, statements):
    answers = [agent.check_in(nonce=f"n{number}", backlog=number) for number in range(3)]

    assert (answers, statements) == ([304] * 3, [])
    assert agent.hub.fleet.device(agent.id).backlog == 2


def test_an_order_half_its_life_old_is_signed_afresh_of_kept_parts(agent, statements):
    status = agent.check_in(nonce='a "fresh" one', order_age_s=OLD_S)

    order = agent.order
    assert (status, statements) == (200, [])
    assert (order.device, order.nonce, order.issued_at) == (agent.id, 'a "fresh" one', NOW)
    assert agent.payload == msgspec.json.encode(order, order="deterministic")
    assert agent.check_in() == 304


@pytest.mark.parametrize(
    "changes",
    [
        {"models": ()},
        {"models": (msgspec.structs.replace(RUNNING, step="trial"),)},
        {"pace": Pace(download_bytes_s=7.0)},
    ],
)
def test_what_is_new_is_saved_before_the_answer(agent, changes):
    agent.check_in(**changes)

    assert agent.hub.fleet.states([agent.id])[agent.id] == agent.said.models
    assert agent.hub.fleet.paces([agent.id])[agent.id] == agent.said.pace


@pytest.mark.parametrize("changes", [{"turn": 9}, {"turn": 2}, {"life": "two", "turn": 1}])
def test_a_turn_that_does_not_follow_is_looked_at(agent, statements, changes):
    agent.check_in(**changes)

    assert statements


def test_a_machine_that_has_changed_is_learned(agent):
    machine = Capabilities(
        arch="aarch64", cores=8, ram_bytes=2**33, disk_free_bytes=2**34, runtimes={}, agent_version="2.0"
    )

    agent.check_in(machine=machine)

    assert agent.hub.fleet.device(agent.id).arch == "aarch64"


def test_an_event_that_names_a_device_has_its_order_computed_anew(hub, agent, statements):
    with hub.db.write() as connection:
        hub.events.record(connection, "rollout.orders", "r1", devices=["another", agent.id])
    statements.clear()

    assert agent.check_in() == 304
    assert any("deployment" in statement for statement in statements)


@pytest.mark.parametrize("data", [{"devices": ["another"]}, {"device": "another"}, {"devices": []}])
def test_an_event_that_names_others_does_not(hub, agent, statements, data):
    with hub.db.write() as connection:
        hub.events.record(connection, "rollout.orders", "r1", **data)
    statements.clear()

    assert agent.check_in() == 304
    assert statements == []


def test_a_kept_order_learns_of_a_collection_that_opens_and_closes(hub, agent):
    policy = {"model": "defects", "policy": {"may_leave": True}, "set_by": "ana", "set_at": NOW}
    with hub.db.write() as connection:
        connection.execute(sa.insert(data.data_policy).values(policy))
        hub.collections.open(connection, "repair-1", "defects", 5)
    opened = agent.check_in()
    wanted = [(collect.request, collect.budget) for collect in agent.order.collects]
    with hub.db.write() as connection:
        hub.collections.close(connection, "repair-1")

    closed = agent.check_in()

    assert (opened, wanted) == (200, [("repair-1", 5)])
    assert (closed, agent.order.collects) == (200, ())


def test_another_hubs_event_is_heard_of(hub, agent, statements):
    other_hubs_event(hub, "rollout.orders", "r1", devices=[agent.id])
    hub.events.look()
    statements.clear()

    agent.check_in()

    assert statements


def test_a_hub_that_cannot_hear_of_others_trusts_no_memory(hub, statements):
    agent = Agent(hub, DeviceDoors(hub), "lane-1")
    agent.check_in()
    agent.check_in()
    statements.clear()

    assert agent.check_in() == 304
    assert statements


def test_who_is_revoked_is_out_with_the_next_request(hub, agent):
    hub.fleet.revoke(OPERATOR, agent.id)

    assert (agent.check_in(), agent.error) == (403, "device_revoked")


def test_who_is_quarantined_by_another_hub_is_out_once_that_is_heard_of(hub, agent):
    with hub.db.write() as connection:
        change = sa.update(table.device).where(table.device.c.id == agent.id)
        connection.execute(change.values(state=DeviceState.QUARANTINED))
    other_hubs_event(hub, "fleet.quarantined", agent.id, device=agent.id)
    hub.events.look()

    assert (agent.check_in(), agent.error) == (403, "device_quarantined")


def test_two_places_with_one_key_are_told_apart_by_their_lives(hub, agent, statements):
    copy = Agent.__new__(Agent)
    copy.__dict__ |= agent.__dict__
    copy.said, copy.turn = msgspec.structs.replace(agent.said, life="two"), 0
    copy.check_in()
    statements.clear()

    agent.check_in()

    assert any("lives" in statement for statement in statements)


def test_sessions_are_known_again_after_a_restart(hub, agent, tmp_path, statements):
    reborn = empty_hub(tmp_path / "other")
    reborn.db.close()
    events = Events(hub.db, hub.clock)
    fleet = type(hub.fleet)(hub.db, events, hub.audit, hub.clock, lambda: b"", lambda count: bytes(count))

    count = fleet.presence.start(NOW)
    statements.clear()

    assert (count, fleet.session(agent.token), statements) == (1, agent.id, [])


def test_past_the_bound_a_device_is_told_when_to_come_again(hub, agent):
    hub.settings.requests_waiting = 1
    doors = DeviceDoors(hub)
    agents = [Agent(hub, doors, f"lane-{number}") for number in range(2, 6)]

    async def together():
        return await asyncio.gather(*(agent.ask() for agent in agents))

    statuses = asyncio.run(together())

    late = agents[statuses.index(429)]
    assert set(statuses) == {200, 429}
    assert (late.error, int(late.headers[b"retry-after"]) > 0) == ("busy", True)


def test_each_group_says_how_often_to_check_in(hub, doors):
    hub.settings.poll_s = 40.0
    agent = Agent(hub, doors, "lane-1")

    agent.check_in()

    assert agent.order.poll_s == 40.0


def test_how_often_a_device_was_told_to_check_in_is_known_with_stretching_also_by_other_hubs(hub):
    hub.settings.poll_s = 40.0
    agent = Agent(hub, DeviceDoors(hub), "lane-1")
    agent.check_in()
    calm = agent.order.poll_s, hub.fleet.seen([agent.id])[agent.id].poll_s
    agent.doors = DeviceDoors(hub, Busy(3))
    hub.events.look()

    agent.check_in()

    busy = agent.order.poll_s, hub.fleet.seen([agent.id])[agent.id].poll_s
    assert (calm, busy) == ((40.0, 40.0), (320.0, 320.0))
    hub.fleet.flush()
    other = type(hub.fleet)(hub.db, Events(hub.db, hub.clock), hub.audit, hub.clock, lambda: b"", lambda _count: b"")
    assert other.seen([agent.id])[agent.id].poll_s == 320.0


def test_a_device_that_is_told_nothing_goes_by_its_own_setting(agent):
    assert agent.hub.fleet.seen([agent.id])[agent.id].poll_s is None


class Busy:
    """The load of a hub that stays as busy as it is."""

    def __init__(self, level):
        self.level = level

    def look(self, _piled):
        pass
