"""Fuzz target: an order in its envelope as it comes from the network, and as a stolen director's key would sign it."""

from __future__ import annotations

import math
import random

from edgewright.agent.machine.terms import unreadable
from edgewright.agent.trust import read_order
from edgewright.contract.envelope import seal
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import MAX_POLL_S, MAX_TTL_S, PAYLOAD_TYPE, etag
from edgewright.contract.trusted import TrustedSet
from edgewright.contract.wire import LAST_MOMENT
from hostile.mutants import json_mutant
from hostile.signed import DEVICE, NONCE, NOW, Hub

HUB = Hub()
TRUSTED = TrustedSet.from_root(HUB.root(1))


def consume(data: bytes) -> None:
    """Whatever comes, an order that is believed stays within bounds."""
    for envelope in (data, seal(data, PAYLOAD_TYPE, HUB.keys["director"])):
        try:
            order = read_order(envelope, TRUSTED, device=DEVICE, nonce=NONCE, now=NOW.timestamp(), skew_s=math.inf)
        except HostileInput:
            continue
        assert order.device == DEVICE
        assert order.nonce == NONCE
        assert 0 <= order.issued_at <= TRUSTED.root.expires.timestamp()
        assert 0 <= order.ttl_s <= MAX_TTL_S
        assert order.poll_s is None or 0 < order.poll_s <= MAX_POLL_S
        assert all(set(fetch.sha256) <= set("0123456789abcdef") for one in order.installs for fetch in one.fetches)
        for install in order.installs:
            assert install.lease_until is None or 0 <= install.lease_until <= LAST_MOMENT
            assert install.begin_by is None or 0 <= install.begin_by <= LAST_MOMENT
            unreadable(install.windows)
        etag(order)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A mutant of the JSON."""
    return json_mutant(chance, data)
