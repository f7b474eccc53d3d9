"""Devices and groups."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.client.transport import Transport
from edgewright.contract.api import (
    ClaimDraft,
    ClaimReply,
    DeviceRecord,
    DeviceState,
    Directive,
    DirectiveDraft,
    GroupDraft,
    GroupEdit,
    GroupRecord,
    LabelEdit,
    Membership,
    TimelineEntry,
)

PAGE = 1000


class Devices:
    """Enrolled agents."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def claim(self, draft: ClaimDraft, *, dry_run: bool = False) -> ClaimReply:
        """Make claim tokens, with which devices enrol; the hub does not show them again."""
        return self._hub.post("claims", body=draft, into=ClaimReply, dry_run=dry_run)

    def list(
        self, *, selector: str = "", group: str = "", state: DeviceState | None = None, page: int = PAGE
    ) -> tuple[DeviceRecord, ...]:
        """All devices by name; those of a group, in a state, or that a selector takes. Asked for page by page."""
        return tuple(self.each(selector=selector, group=group, state=state, page=page))

    def each(
        self, *, selector: str = "", group: str = "", state: DeviceState | None = None, page: int = PAGE
    ) -> Iterator[DeviceRecord]:
        """The same, as they come."""
        wanted = {"selector": selector, "group": group, "state": "" if state is None else state.value}
        query: dict[str, str | int] = {name: value for name, value in wanted.items() if value}
        after = ""
        while True:
            found = self.page(after=after, limit=page, **query)
            yield from found
            if len(found) < page:
                return
            after = found[-1].id

    def page(self, *, after: str = "", limit: int = PAGE, **query: str | int) -> tuple[DeviceRecord, ...]:
        """At most `limit` devices by name, after the device `after`; fewer are the last."""
        if after:
            query["after"] = after
        return self._hub.get("devices", into=tuple[DeviceRecord, ...], limit=limit, **query)

    def get(self, id: str) -> DeviceRecord:
        """One device."""
        return self._hub.get("devices", id, into=DeviceRecord)

    def history(self, id: str, *, before: str = "", limit: int = 50) -> tuple[TimelineEntry, ...]:
        """What happened to a device, newest first; `before` is the id of the entry to go on from."""
        query = {"before": before} if before else {}
        return self._hub.get("devices", id, "history", into=tuple[TimelineEntry, ...], limit=limit, **query)

    def label(self, id: str, edit: LabelEdit, *, dry_run: bool = False) -> DeviceRecord:
        """Set and take off labels of a device."""
        return self._hub.post("devices", id, "labels", body=edit, into=DeviceRecord, dry_run=dry_run)

    def approve(self, id: str, *, dry_run: bool = False) -> DeviceRecord:
        """Let a device in that waits. A dry run of this or of the next four returns the device as it is."""
        return self._hub.post("devices", id, "approve", body={}, into=DeviceRecord, dry_run=dry_run)

    def reject(self, id: str, reason: str = "", *, dry_run: bool = False) -> DeviceRecord:
        """Shut a device out that waits."""
        return self._steer(id, "reject", reason, dry_run)

    def release(self, id: str, reason: str = "", *, dry_run: bool = False) -> DeviceRecord:
        """Let a device out of quarantine."""
        return self._steer(id, "release", reason, dry_run)

    def retire(self, id: str, reason: str = "", *, dry_run: bool = False) -> DeviceRecord:
        """Take a device out of service."""
        return self._steer(id, "retire", reason, dry_run)

    def revoke(self, id: str, reason: str = "", *, dry_run: bool = False) -> DeviceRecord:
        """Shut a device out at once and for good."""
        return self._steer(id, "revoke", reason, dry_run)

    def _steer(self, id: str, verb: str, reason: str, dry_run: bool) -> DeviceRecord:
        return self._hub.post("devices", id, verb, body={"reason": reason}, into=DeviceRecord, dry_run=dry_run)

    def directives(self, device: str = "", model: str = "") -> tuple[Directive, ...]:
        """What people want of models on devices, the newest first."""
        return self._hub.get("directives", into=tuple[Directive, ...], device=device, model=model)

    def direct(self, id: str, draft: DirectiveDraft, *, dry_run: bool = False) -> Directive:
        """Pin, hold back or force a model on a device."""
        return self._hub.post("devices", id, "directives", body=draft, into=Directive, dry_run=dry_run)

    def free(self, id: str, model: str, *, dry_run: bool = False) -> Directive:
        """Take a directive back: rollouts reach the device again."""
        return self._hub.delete("devices", id, "directives", model, into=Directive, dry_run=dry_run)


class Groups:
    """Sets of devices, by selector or by list."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def create(self, draft: GroupDraft, *, dry_run: bool = False) -> GroupRecord:
        """Make a group."""
        return self._hub.post("groups", body=draft, into=GroupRecord, dry_run=dry_run)

    def list(self) -> tuple[GroupRecord, ...]:
        """All groups with their counts; `get`, or the devices of the group, tell the members."""
        return self._hub.get("groups", into=tuple[GroupRecord, ...])

    def get(self, name: str) -> GroupRecord:
        """One group with the first of its members."""
        return self._hub.get("groups", name, into=GroupRecord)

    def edit(self, name: str, edit: GroupEdit, *, dry_run: bool = False) -> GroupRecord:
        """Change a group; live rollouts keep the devices that they began with."""
        return self._hub.post("groups", name, body=edit, into=GroupRecord, dry_run=dry_run)

    def remove(self, name: str, *, dry_run: bool = False) -> GroupRecord:
        """Remove a group; its devices, and live rollouts, stay as they are."""
        return self._hub.delete("groups", name, into=GroupRecord, dry_run=dry_run)

    def why(self, name: str, device: str) -> Membership:
        """Whether a device is in a group, and why."""
        return self._hub.get("groups", name, "why", device, into=Membership)
