"""First contacts: a claim token and a key become a device."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import DeviceState
from edgewright.contract.devicekey import DevicePublicKey
from edgewright.contract.errors import HostileInput, NotAllowed
from edgewright.contract.report import Capabilities, EnrolRequest
from edgewright.hub.fleet import table
from edgewright.hub.fleet.announcing import Announcer
from edgewright.hub.fleet.devices import check_machine, columns_of
from edgewright.hub.fleet.enrolment.replacing import Replacing
from edgewright.hub.fleet.model import (
    ENDED,
    ClaimExpired,
    ClaimUsed,
    DeviceExists,
    UnknownClaim,
    check_admitted,
    device_id,
    is_plain,
    token_sha256,
)


class WrongHardware(NotAllowed):
    code = "wrong_hardware"
    hint = "This claim token is for other boards: `edgewright device claim --hardware CLASS` makes one for these."


class Contacts:
    """Makes devices, in the caller's transaction."""

    def __init__(self, announcer: Announcer, replacing: Replacing) -> None:
        self._announcer = announcer
        self._replacing = replacing

    def enrol(self, connection: sa.Connection, request: EnrolRequest, now: float) -> dict[str, str]:
        """Burn one use of the claim and keep the device; returns its labels.

        Raises UnknownClaim, ClaimUsed, ClaimExpired, WrongHardware, AlreadyReplaced, DeviceExists, DeviceShutOut.
        """
        # 1. The claim must be one that we made.
        claim_sha256 = token_sha256(request.claim)
        query = sa.select(table.claim).where(table.claim.c.token_sha256 == claim_sha256)
        claim = connection.execute(query).first()
        if claim is None:
            raise UnknownClaim("this claim token is not one of this hub", field="claim")
        # 2. The same key and claim again: the first reply got lost.
        id = device_id(request.public_key)
        known = connection.execute(sa.select(table.device).where(table.device.c.id == id)).first()
        if known is not None:
            return _enrolled_before(known, claim_sha256)
        # 3. Otherwise the claim must be unused, in time and for such boards; one use of it is burnt with the birth.
        _check_claim(claim, request.capabilities, now)
        used = sa.update(table.claim).where(table.claim.c.token_sha256 == claim_sha256)
        connection.execute(used.values(used=table.claim.c.used + 1))
        connection.execute(sa.insert(table.device).values(_device_row(request, claim, now)))
        detail = {"name": request.name, "claimed_by": claim.created_by, "waits": claim.needs_approval}
        self._announcer.of_device(connection, id, "fleet.enrolled", id, **detail)
        # 4. It replaces another board at once, unless a person shall look at it first.
        if claim.replaces and not claim.needs_approval:
            self._replacing.replace(connection, claim.created_by, claim.replaces, id, now)
        return _labels(connection, id)


def check_enrol_request(request: EnrolRequest) -> None:
    """Raise HostileInput unless every part of a first contact has a plausible size, and the key is one."""
    DevicePublicKey(request.public_key)
    if not is_plain(request.name):
        raise HostileInput("a device's name is at most 100 plain characters", field="name")
    check_machine(request.capabilities)


def _check_claim(claim: Any, machine: Capabilities, now: float) -> None:
    if claim.used >= claim.uses:
        used_by = "another device" if claim.uses == 1 else f"{claim.uses} devices"
        raise ClaimUsed(f"this claim token was used by {used_by}", field="claim")
    if now >= claim.expires_at:
        raise ClaimExpired("this claim token has expired", field="claim")
    if claim.hardware and {machine.arch, *machine.hardware_ids}.isdisjoint(claim.hardware):
        board = ", ".join((machine.arch, *machine.hardware_ids))
        raise WrongHardware(f"this claim token is for {' or '.join(claim.hardware)}, not for {board}", field="claim")


def _enrolled_before(known: Any, claim_sha256: str) -> dict[str, str]:
    if known.state in ENDED:
        check_admitted(known.id, known.state)
    if known.claim_sha256 != claim_sha256:
        raise DeviceExists(f"this key is enrolled already, as {known.id}", field="public_key")
    labels: dict[str, str] = known.labels
    return labels


def _labels(connection: sa.Connection, id: str) -> dict[str, str]:
    query = sa.select(table.device.c.labels).where(table.device.c.id == id)
    found: dict[str, str] = connection.execute(query).scalar_one()
    return found


def _device_row(request: EnrolRequest, claim: Any, now: float) -> dict[str, Any]:
    id = device_id(request.public_key)
    return columns_of(request.capabilities) | {
        "id": id,
        "name": request.name.strip() or id,
        "labels": claim.labels,
        "public_key": request.public_key,
        "claim_sha256": claim.token_sha256,
        "enrolled_at": now,
        "state": DeviceState.WAITING if claim.needs_approval else DeviceState.ACTIVE,
        "replaces": claim.replaces,
        "changed_at": now,
        "pace": {},
    }
