"""Kept orders: their parts make the same bytes as the contract does, and none outlives what it was computed of."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.order import Collect, Install, Order, Rollback, etag
from edgewright.hub.events import Event
from edgewright.hub.web.devices.kept import NEVER, Kept, Tail, put_together, short, tag_of, tail_of
from edgewright.hub.web.devices.stirring import EVERYBODY, whose

INSTALL = Install(
    deployment="r:d", model="defects", version=3, counter=3, target_path="p", manifest_sha256="0" * 64, fetches=()
)
IDLE = Order(device="dev-1", nonce="n", issued_at=1.5, ttl_s=86_400.0)
BUSY = msgspec.structs.replace(
    IDLE,
    installs=(INSTALL,),
    rollbacks=(Rollback(deployment="r:d", model="wine", counter=2, reason='it said "no"\n'),),
    collects=(Collect(request="c", model="wine", budget=5),),
)


@pytest.fixture
def kept():
    return Kept(10_000)


@pytest.mark.parametrize("order", [IDLE, BUSY], ids=["idle", "busy"])
@pytest.mark.parametrize("poll_s", [None, 30.0, 7.25])
@pytest.mark.parametrize("nonce", ["n", "", 'a "b" \u00e9\u2028\\'])
def test_kept_parts_make_the_bytes_and_the_tag_of_the_contract(order, poll_s, nonce):
    whole = msgspec.structs.replace(order, nonce=nonce, issued_at=1_800_000_000.125, poll_s=poll_s)

    tail = tail_of(whole)

    assert tail.poll_s == poll_s
    assert put_together(whole.device, nonce, whole.issued_at, tail, poll_s) == msgspec.json.encode(whole)
    assert tag_of(whole.device, tail, poll_s) == etag(whole)


def test_what_many_devices_are_told_is_kept_once(kept):
    for row, device in enumerate(("dev-1", "dev-2")):
        stamp = kept.stamp(row)
        kept.keep(row, stamp, tail_of(msgspec.structs.replace(IDLE, device=device)), NEVER)

    assert kept.tail(0) is kept.tail(1)


def test_an_order_holds_until_its_moment(kept):
    kept.keep(0, kept.stamp(0), tail_of(IDLE), until=10.0)

    assert [kept.is_good(0, 9.9), kept.is_good(0, 10.0), kept.is_good(1, 9.9)] == [True, False, False]


@pytest.mark.parametrize("stir", [lambda kept: kept.stir([0]), lambda kept: kept.stir_all()], ids=["one", "all"])
def test_what_was_stirred_while_it_was_computed_is_not_kept(kept, stir):
    stamp = kept.stamp(0)
    stir(kept)

    assert not kept.keep(0, stamp, tail_of(IDLE), NEVER)
    assert not kept.is_good(0, 0.0)


@pytest.mark.parametrize("stir", [lambda kept: kept.stir([0]), lambda kept: kept.stir_all()], ids=["one", "all"])
def test_what_was_stirred_holds_no_more(kept, stir):
    kept.keep(0, kept.stamp(0), tail_of(IDLE), NEVER)

    stir(kept)

    assert not kept.is_good(0, 0.0)


def test_stirring_rows_that_nobody_holds_is_without_effect(kept):
    kept.stir([None, 5000])

    assert not kept.is_good(5000, 0.0)


def test_an_order_that_does_not_fit_is_not_kept_whole(kept):
    small = Tail(b"x" * 6000, None)
    for row in (0, 1):
        kept.keep(row, kept.stamp(row), Tail(small.bytes + b"%d" % row, None), NEVER)
    first, second = kept.tail(0), kept.tail(1)
    kept.keep(0, kept.stamp(0), tail_of(IDLE), NEVER)
    kept.keep(1, kept.stamp(1), small, NEVER)

    assert (first is not None, second, kept.tail(1)) == (True, None, small)


def test_a_tag_holds_for_one_level_of_stretching(kept):
    kept.keep(0, kept.stamp(0), tail_of(IDLE), NEVER)
    before = kept.tag(0, 0)
    kept.retag(0, 0, 77)

    assert (before, kept.tag(0, 0), kept.tag(0, 1)) == (None, 77, None)


@pytest.mark.parametrize(("tag", "number"), [("0f" * 16, 0x0F0F0F0F0F0F0F0F), ("", 0), ("not a tag", 0)])
def test_a_tag_is_compared_by_its_first_bits(tag, number):
    assert short(tag) == number


@pytest.mark.parametrize(
    ("kind", "data", "devices"),
    [
        ("rollout.orders", {"devices": ["a", "b"]}, ("a", "b")),
        ("rollout.reported", {"device": "a"}, ("a",)),
        ("rollout.paused", {"devices": []}, ()),
        ("packaging.release_bad", {"model": "wine"}, EVERYBODY),
        ("fleet.group_changed", {"group": "lanes"}, EVERYBODY),
        ("fleet.claimed", {}, ()),
        ("run.ended", {"state": "done"}, ()),
    ],
)
def test_an_event_tells_whose_orders_change(kind, data, devices):
    assert whose(Event(number=1, at=0.0, kind=kind, subject="s", data=data)) == devices


def test_deltas_that_are_ready_may_change_every_order():
    assert whose(Event(number=1, at=0.0, kind="run.ended", subject="r1-deltas", data={"state": "done"})) is EVERYBODY
