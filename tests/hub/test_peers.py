"""Hubs on one PostgreSQL: who lives, who is dead, and what becomes of a dead one's work."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa

from edgewright.hub.db import Database, DatabaseAway
from edgewright.hub.jobs.peers import DEAD_AFTER_S, GONE_AFTER_S, Peers
from edgewright.hub.jobs.table import hub_table
from scenes.databases import is_postgresql, new_database

pytestmark = pytest.mark.skipif(not is_postgresql(), reason="this is about PostgreSQL: make test-postgres")


class Hub:
    """One hub's database and peers; `heard` has the living of each handing on."""

    def __init__(self, folder) -> None:
        self.db: Database = new_database(folder)
        self.heard: list[set[str]] = []
        self.is_lost = False
        minutes = itertools.count(0.0, 60.0).__next__
        self.peers = Peers(self.db, lambda living: self.heard.append(set(living())), self._lose, minutes)
        self.peers.join()

    def _lose(self) -> None:
        self.is_lost = True

    def close(self) -> None:
        self.peers.stop()
        self.db.close()


@pytest.fixture
def hubs(tmp_path):
    hubs = [Hub(tmp_path), Hub(tmp_path)]
    yield hubs
    for hub in hubs:
        hub.close()


def be_silent(hub: Hub, seconds: float) -> None:
    with hub.db.write() as connection:
        row = hub_table.c.id == hub.db.id
        connection.execute(sa.update(hub_table).where(row).values(seen_at=hub_table.c.seen_at - seconds))


def end_sessions(hub: Hub, by: Hub) -> None:
    """As its server does when the process dies."""
    with by.db.read() as connection:
        query = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name")
        connection.execute(query, {"name": hub.db.session_name})


def known(hub: Hub) -> set[str]:
    with hub.db.read() as connection:
        return set(connection.scalars(sa.select(hub_table.c.id)))


def test_hubs_that_live_leave_each_other_alone(hubs):
    for hub in hubs * 2:
        hub.peers.beat()

    assert [hub.heard for hub in hubs] == [[], []]
    assert known(hubs[0]) == {hub.db.id for hub in hubs}


def test_what_a_hub_whose_process_has_died_had_begun_is_handed_on(hubs):
    living, dead = hubs
    end_sessions(dead, by=living)
    be_silent(dead, GONE_AFTER_S + 1)

    living.peers.beat()

    assert living.heard == [{living.db.id}]
    assert known(living) == {living.db.id}


def test_one_that_is_silent_for_a_moment_and_holds_its_lock_lives(hubs):
    be_silent(hubs[1], GONE_AFTER_S + 1)

    hubs[0].peers.beat()

    assert hubs[0].heard == []


def test_one_that_stands_still_for_long_is_dead_and_hears_of_it_when_it_wakes(hubs):
    living, asleep = hubs
    be_silent(asleep, DEAD_AFTER_S + 1)

    living.peers.beat()
    with pytest.raises((sa.exc.DBAPIError, DatabaseAway)):
        asleep.peers.beat()  # its session has been ended
    asleep.peers._disconnect()
    asleep.peers.beat()

    assert living.heard == [{living.db.id}]
    assert asleep.is_lost
    assert not living.is_lost


def test_what_one_that_has_stopped_had_begun_is_handed_on_at_once(hubs):
    hubs[1].peers.stop()

    hubs[0].peers.beat()

    assert hubs[0].heard == [{hubs[0].db.id}]


def test_a_hub_that_starts_takes_what_nobody_living_has(hubs):
    hubs[1].peers.stop()

    hubs[0].peers.start()

    assert hubs[0].heard == [{hubs[0].db.id}]
