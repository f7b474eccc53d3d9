"""What a hub remembers of devices: an index of digests that is a dictionary, and sessions that nobody sneaks into."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from edgewright.hub.fleet.presence.digests import DIGEST_BYTES, Digests
from edgewright.hub.fleet.presence.memory import Memory

MOVES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), max_size=200)


def digest(number):
    return hashlib.sha256(str(number).encode()).digest()[:DIGEST_BYTES]


@given(MOVES)
def test_an_index_of_digests_is_a_dictionary(moves):
    """Each move puts a row's next digest, or, for every fourth, drops it."""
    index, wanted = Digests(), dict[int, int]()
    for row, number in moves:
        taken = {other for other, of in wanted.items() if of == number and other != row}
        if number % 4 == 0 or taken:
            index.drop(row)
            wanted.pop(row, None)
        else:
            index.put(row, digest(number))
            wanted[row] = number

    assert {row: index.of(row) for row in wanted} == {row: digest(number) for row, number in wanted.items()}
    assert all(index.find(digest(number)) == row for row, number in wanted.items())
    assert all(index.find(digest(number)) is None for number in range(61) if number not in wanted.values())


def test_an_index_grows_and_sheds_what_is_gone():
    index = Digests()
    for turn in range(3):
        for row in range(2000):
            index.put(row, digest(f"{turn} {row}"))

    assert [index.find(digest(f"2 {row}")) for row in range(2000)] == list(range(2000))
    assert all(index.find(digest(f"1 {row}")) is None for row in range(2000))


def test_a_device_has_one_session_in_memory():
    memory = Memory()
    with memory.lock:
        row = memory.admit(digest("old"), "dev-1", 10.0)
        again = memory.admit(digest("new"), "dev-1", 20.0)

    assert (row, memory.tokens.find(digest("old")), memory.tokens.find(digest("new"))) == (again, None, row)
    assert memory.expires_at[row] == 20.0


def test_who_is_shut_out_while_a_session_opens_is_not_let_in_by_it(db, fleet, device, claim, clock):
    id = device.enrol(claim).device
    sessions = fleet.presence.sessions
    with db.write() as connection:
        opened = sessions.open(connection, id, clock.now)
    sessions.forget(id)

    sessions.remember(opened)

    assert fleet.presence.memory.tokens.find(opened.digest) is None
