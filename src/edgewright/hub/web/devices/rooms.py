"""What the rooms have a device do, asked for many at once: most have nothing to do and cost a part of a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edgewright.contract.order import Collect, Install, Order, Rollback
from edgewright.contract.report import CheckIn
from edgewright.hub.app import Hub
from edgewright.hub.web.devices.kept import NEVER, Tail, tail_of


class Asked(NamedTuple):
    """A check-in that memory cannot answer."""

    row: int
    device: str
    check_in: CheckIn


class Answered(NamedTuple):
    """An order without its moment, and until when it holds unless somebody stirs it."""

    tail: Tail
    until: float


class Rooms:
    """Puts orders together from rollouts, benches, collections and groups. Called in threads."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def idle(self, asked: Sequence[Asked]) -> list[Answered | None]:
        """The orders of those for whom no rollout wants anything; None for the others."""
        wanted = self._hub.rollouts.concerned([one.device for one in asked])
        collects: dict[tuple[str, ...], tuple[Collect, ...]] = {}
        found: list[Answered | None] = []
        for one in asked:
            running = _running(one.check_in)
            if running not in collects:
                collects[running] = self._hub.collections.collects_for(list(running))
            found.append(None if one.device in wanted else self._order(one, (), (), collects[running], NEVER))
        return found

    def busy(self, one: Asked) -> Answered:
        """The order of one device."""
        check_in = one.check_in
        wanted = self._hub.rollouts.orders_for(one.device, check_in.models, check_in.pace)
        collects = self._hub.collections.collects_for(list(_running(check_in)))
        until = NEVER if wanted.valid_until is None else wanted.valid_until
        return self._order(one, wanted.installs, wanted.rollbacks, collects, until)

    def _order(
        self,
        one: Asked,
        installs: tuple[Install, ...],
        rollbacks: tuple[Rollback, ...],
        collects: tuple[Collect, ...],
        until: float,
    ) -> Answered:
        hub, check_in = self._hub, one.check_in
        is_busy = bool(installs or rollbacks)
        order = Order(
            device=one.device,
            nonce="",
            issued_at=0.0,
            ttl_s=hub.settings.order_ttl_s,
            installs=installs,
            rollbacks=rollbacks,
            collects=collects,
            benches=() if is_busy else hub.benches.orders_for(one.device, check_in.models, check_in.pace),
            poll_s=hub.fleet.poll_s(one.device) or hub.settings.poll_s,
        )
        return Answered(tail_of(order), min([until, *(bench.expires_at for bench in order.benches)]))


def _running(check_in: CheckIn) -> tuple[str, ...]:
    return tuple(state.model for state in check_in.models if state.counter)
