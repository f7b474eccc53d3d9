"""Every number and word of an order is bounded, even where the director's own key has signed it."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest

from edgewright.agent.trust import read_order
from edgewright.contract.envelope import seal
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import PAYLOAD_TYPE, Order
from edgewright.contract.trusted import TrustedSet
from hostile.signed import DEVICE, EXPIRES, NONCE, NOW, Hub, order_payload

HUB = Hub()
TRUSTED = TrustedSet.from_root(HUB.root(1))
FETCH = "installs[0].fetches[0]"


def believed(payload: bytes, *, skew_s: float = 300.0) -> Order:
    sealed = seal(payload, PAYLOAD_TYPE, HUB.keys["director"])
    return read_order(sealed, TRUSTED, device=DEVICE, nonce=NONCE, now=NOW.timestamp(), skew_s=skew_s)


def changed(place: str, value: object) -> bytes:
    tree = json.loads(order_payload())
    holder = tree
    *way, last = place.replace("[0]", ".0").split(".")
    for step in way:
        holder = holder[int(step) if step.isdecimal() else step]
    holder[last] = value
    return json.dumps(tree).encode()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("issued_at", -1.0),
        ("issued_at", 1e300),
        ("issued_at", math.nan),
        ("issued_at", math.inf),
        ("ttl_s", -1.0),
        ("ttl_s", 1e300),
        ("ttl_s", math.inf),
        ("poll_s", 0.0),
        ("poll_s", -5.0),
        ("poll_s", 1e9),
        ("installs[0].counter", -1),
        ("installs[0].counter", 2**53),
        ("installs[0].version", -1),
        ("installs[0].model", "../digits"),
        ("installs[0].model", ""),
        ("installs[0].manifest_sha256", "../../etc/passwd"),
        ("installs[0].shadow.min_requests", -1),
        ("installs[0].shadow.min_requests", 2**63),
        ("installs[0].shadow.min_agreement", 1.5),
        ("installs[0].shadow.max_wait_s", 1e12),
        (f"{FETCH}.sha256", "../../../etc/cron.d/evil"),
        (f"{FETCH}.sha256", "AB" * 32),
        (f"{FETCH}.sha256", "ab" * 32 + "\n"),
        (f"{FETCH}.base_sha256", ""),
        (f"{FETCH}.result_sha256", "/tmp"),
        (f"{FETCH}.size_bytes", -1),
        (f"{FETCH}.size_bytes", 2**60),
        (f"{FETCH}.result_bytes", -1),
        (f"{FETCH}.result_bytes", 10**30),
        ("rollbacks[0].counter", -1),
        ("rollbacks[0].reason", "x" * 5000),
        ("collects[0].budget", -1),
        ("collects[0].budget", 2**40),
        ("benches[0].calls", 0),
        ("benches[0].calls", 2**40),
        ("benches[0].expires_at", 1e300),
        ("benches[0].model", "../digits"),
        ("benches[0].fetches[0].sha256", "../../../etc/cron.d/evil"),
    ],
)
def test_an_order_out_of_bounds_is_refused_by_the_name_of_its_field(place, value):
    with pytest.raises(HostileInput) as refused:
        believed(changed(place, value))

    is_no_json = isinstance(value, float) and not math.isfinite(value)
    assert refused.value.field == ("order" if is_no_json else place)


def test_an_order_of_more_installs_than_a_device_has_models_is_refused():
    tree = json.loads(order_payload())
    tree["installs"] = [dict(tree["installs"][0], fetches=[])] * 65

    with pytest.raises(HostileInput) as refused:
        believed(json.dumps(tree).encode())

    assert refused.value.field == "installs"


def test_no_order_carries_a_device_s_time_beyond_the_life_of_the_root_that_vouches_for_the_director():
    late = (EXPIRES + timedelta(seconds=1)).timestamp()

    with pytest.raises(HostileInput) as refused:
        believed(order_payload(issued_at=late), skew_s=math.inf)

    assert refused.value.field == "issued_at"


def test_a_device_without_a_clock_believes_an_order_of_any_time_within_the_life_of_the_root():
    later = (EXPIRES - timedelta(days=1)).timestamp()

    order = believed(order_payload(issued_at=later), skew_s=math.inf)

    assert order.issued_at == later


def test_an_order_nested_beyond_measure_is_refused():
    payload = order_payload()[:-1] + b',"later":' + b"[" * 20_000 + b"]" * 20_000 + b"}"

    with pytest.raises(HostileInput):
        believed(payload)


def test_signatures_that_are_no_text_are_refused():
    root = json.loads(HUB.root(2))
    for sig in (None, 5, [], {}, "zz", "", "\ud800"):
        root["signatures"][0]["sig"] = sig

        with pytest.raises(HostileInput):
            TRUSTED.update_root(json.dumps(root).encode())
