"""Whether a device is in a group, and why: pure."""

from __future__ import annotations

from functools import cached_property

import msgspec

from edgewright.contract.api import DeviceState, Membership, TermFinding
from edgewright.hub.fleet.facts import DeviceFacts
from edgewright.hub.fleet.model import IN_SERVICE
from edgewright.hub.fleet.selecting import Selector


class Group(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A group as it is kept: by selector, or by a list of devices."""

    name: str
    selector: str
    devices: tuple[str, ...]
    created_at: float
    poll_s: float | None = None

    @cached_property
    def terms(self) -> Selector | None:
        """The selector, read; None where the group is a list."""
        return Selector(self.selector) if self.selector else None

    @cached_property
    def listed(self) -> frozenset[str]:
        """The ids of the list."""
        return frozenset(self.devices)

    @property
    def models(self) -> frozenset[str]:
        """Models that a device's facts must be read with."""
        return self.terms.models if self.terms else frozenset()

    def takes(self, facts: DeviceFacts) -> bool:
        """Whether the device is in the group."""
        if facts.state not in IN_SERVICE:
            return False
        return facts.id in self.listed if self.terms is None else self.terms.takes(facts)


def why(group: Group, facts: DeviceFacts) -> Membership:
    """Whether the device is in the group, with the reason and every term."""
    terms = group.terms.explain(facts) if group.terms else ()
    return Membership(
        group=group.name,
        device=facts.id,
        is_member=group.takes(facts),
        reason=_reason(group, facts),
        terms=tuple(TermFinding(term=term.term, holds=term.holds, found=term.found) for term in terms),
    )


def _reason(group: Group, facts: DeviceFacts) -> str:
    if facts.state is DeviceState.WAITING:
        return "it waits for a person to approve it: until then it is in no group"
    if facts.state not in IN_SERVICE:
        return f"it is {facts.state}: such devices are in no group"
    if group.terms is None:
        return "the group lists it" if facts.id in group.listed else "the group is a list, and does not name it"
    failing = [term.term for term in group.terms.explain(facts) if not term.holds]
    if failing:
        return f"{' and '.join(failing)} {'do' if len(failing) > 1 else 'does'} not hold"
    return "every term holds" if group.terms.terms else "the group is of all devices"
