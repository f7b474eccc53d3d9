"""The fleet's pure rules: selectors, labels, the shapes of tokens, and what a device may claim about itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from edgewright.contract.api import ClaimDraft, DeviceState, GroupDraft
from edgewright.contract.devicekey import DevicePublicKey
from edgewright.contract.errors import Conflict, HostileInput, InvalidInput, NotAllowed, NotLoggedIn
from edgewright.contract.report import CheckIn, EnrolRequest

CLAIM_PREFIX = "ewc_"
SESSION_PREFIX = "ews_"
TOKEN_BYTES = 32
NONCE_TTL_S = 60.0
SESSION_TTL_S = 3600.0
MAX_CLAIMS = 1000
MAX_CLAIM_TTL_S = 366 * 86400.0
MAX_LABELS = 32
MAX_MODELS = 64
MAX_HELD = 8
MAX_WORD = 200
MAX_PACE = 1e12
ALL = "all"
ENDED = (DeviceState.RETIRED, DeviceState.REVOKED)
IN_SERVICE = (DeviceState.ACTIVE, DeviceState.QUARANTINED)
"""Devices that are in groups: a quarantined one keeps its place until a person decides."""

_LABEL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9_.:/ -]{1,100}")
_GROUP_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_PLAIN = re.compile(r"[\x20-\x7e]{0,100}")


class UnknownClaim(NotAllowed):
    code = "unknown_claim"
    hint = "`edgewright device claim` makes a claim token; copy it whole."


class ClaimUsed(NotAllowed):
    code = "claim_used"
    hint = "A claim token enrols one device: `edgewright device claim` makes another."


class ClaimExpired(NotAllowed):
    code = "claim_expired"
    hint = "`edgewright device claim` makes a fresh claim token."


class UnknownDevice(NotAllowed):
    code = "unknown_device"
    hint = "Enrol the device with a claim token: `edgewright device claim`."


class DeviceShutOut(NotAllowed):
    """A device that is known, and gets nothing in the state that it is in."""

    code = "device_shut_out"


class DeviceRevoked(DeviceShutOut):
    code = "device_revoked"
    hint = "This device was revoked for good; a new key and a new claim token make it a new device."


class DeviceRetired(DeviceShutOut):
    code = "device_retired"
    hint = "This device was taken out of service; a new key and a new claim token make it a new device."


class WaitingForApproval(DeviceShutOut):
    code = "waiting_for_approval"
    hint = "A person looks at it: `edgewright device approve DEVICE`, or `edgewright device reject DEVICE`."
    retry_after_s = 60.0


class DeviceQuarantined(DeviceShutOut):
    code = "device_quarantined"
    hint = "Its key is in two places: `edgewright device show DEVICE`, then `release` or `revoke` it."
    retry_after_s = 300.0


class StaleNonce(NotAllowed):
    code = "stale_nonce"
    hint = "Ask the hub for a fresh nonce and sign again."


class SessionEnded(NotLoggedIn):
    code = "session_ended"
    hint = "Open a new session."


class DeviceExists(Conflict):
    code = "device_exists"
    hint = "The agent's folder holds its identity already: run the agent without a claim token."


class GroupExists(Conflict):
    code = "group_exists"
    hint = "Choose another name; `edgewright group ls` lists the groups."


class Desired(NamedTuple):
    """What the hub wants of one model on one device: the release counter, and those that went wrong there."""

    counter: int
    bad_counters: tuple[int, ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """When a device was last heard of, in seconds since the epoch, and how many records wait on it."""

    at: float | None
    backlog: int = 0


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a device with `labels` is selected: 'all', or terms 'name=value' joined by commas that must all hold.

    Raises InvalidInput naming the bad term.
    """
    return all(labels.get(name) == value for name, value in parse_selector(selector))


def parse_selector(selector: str) -> tuple[tuple[str, str], ...]:
    """The terms of a selector; none for 'all'. Raises InvalidInput naming the bad term."""
    if selector.strip() == ALL:
        return ()
    return tuple(_parse_term(term.strip(), selector) for term in selector.split(","))


def _parse_term(term: str, selector: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in term.partition("="))
    if equals and _LABEL_NAME.fullmatch(name) and _LABEL_VALUE.fullmatch(value):
        return name, value
    raise InvalidInput(
        f"'{term}' in the selector '{selector}' is no term",
        field="selector",
        hint="Write 'name=value' terms joined by commas, as in 'site=berlin,line=1', or 'all'.",
    )


def check_admitted(device: str, state: str, reason: str = "") -> None:
    """Raise the leaf of DeviceShutOut that tells why a device in `state` gets nothing; an active one passes."""
    match state:
        case DeviceState.REVOKED:
            raise DeviceRevoked(f"device {device} was revoked", field="device")
        case DeviceState.RETIRED:
            raise DeviceRetired(f"device {device} was retired", field="device")
        case DeviceState.WAITING:
            raise WaitingForApproval(f"device {device} waits for a person to approve it", field="device")
        case DeviceState.QUARANTINED:
            raise DeviceQuarantined(f"device {device} is in quarantine: {reason or 'see its record'}", field="device")


def token(prefix: str, secret: bytes) -> str:
    """A token as people and devices carry it: its prefix and 43 characters of base64url for 32 random bytes."""
    return prefix + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def token_sha256(text: str) -> str:
    """What the hub keeps of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_sha256(public_key: bytes) -> str:
    """The key id that a device signs its enrolment with."""
    return hashlib.sha256(public_key).hexdigest()


def device_id(public_key: bytes) -> str:
    """A device is named after its key, so that enrolling twice gives one device."""
    return f"dev-{key_sha256(public_key)[:16]}"


def check_claim_draft(draft: ClaimDraft) -> None:
    """Raise InvalidInput unless claim tokens can be made so."""
    if not 1 <= draft.count <= MAX_CLAIMS:
        raise InvalidInput(f"{draft.count} claim tokens at once: ask for 1 to {MAX_CLAIMS}", field="count")
    if not 0 < draft.expires_in_s <= MAX_CLAIM_TTL_S:
        raise InvalidInput(
            f"a claim token cannot expire in {draft.expires_in_s:g} s",
            field="expires_in_s",
            hint=f"Choose more than 0 and at most {MAX_CLAIM_TTL_S:g} seconds (a year).",
        )
    check_labels(draft.labels)


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise InvalidInput unless these labels can be kept and selected by."""
    if len(labels) > MAX_LABELS:
        raise InvalidInput(f"{len(labels)} labels: a device has at most {MAX_LABELS}", field="labels")
    for name, value in labels.items():
        is_fine = _LABEL_NAME.fullmatch(name) and _LABEL_VALUE.fullmatch(value) and value == value.strip()
        if not is_fine:
            raise InvalidInput(
                f"'{name}={value}' is no label",
                field="labels",
                hint="Names: letters, digits, '_.-' (at most 63). Values: also ':/' and spaces inside (at most 100).",
            )


def check_group_draft(draft: GroupDraft) -> None:
    """Raise InvalidInput unless the draft names a group by a selector or by devices, and not by both."""
    if not _GROUP_NAME.fullmatch(draft.name):
        raise InvalidInput(
            f"'{draft.name}' is no group name", field="name", hint="Use small letters, digits and '_.-', at most 63."
        )
    if bool(draft.selector) == bool(draft.devices):
        raise InvalidInput(
            "a group has either a selector or a list of devices",
            field="selector",
            hint="Use the selector 'all' for every device.",
        )
    if draft.selector:
        parse_selector(draft.selector)


def check_enrol_request(request: EnrolRequest) -> None:
    """Raise HostileInput unless every part of a first contact has a plausible size, and the key is one."""
    DevicePublicKey(request.public_key)
    machine = request.capabilities
    texts = [request.name, machine.arch, machine.agent_version, machine.python]
    texts += [text for item in machine.runtimes.items() for text in item] + list(machine.hardware_ids)
    texts += [text for name, found in machine.providers.items() for text in (name, *found)]
    counts = map(len, (machine.runtimes, machine.hardware_ids, machine.providers, *machine.providers.values()))
    if max(counts) > 32 or not all(_PLAIN.fullmatch(text) for text in texts):
        raise HostileInput(
            "names are at most 100 plain characters, runtimes, providers and hardware ids at most 32",
            field="capabilities",
        )
    sizes = (machine.cores, machine.ram_bytes, machine.disk_free_bytes)
    if not all(0 <= size < 2**62 for size in sizes):
        raise HostileInput("cores and bytes of a machine are not negative", field="capabilities")


def check_check_in(check_in: CheckIn) -> None:
    """Raise HostileInput unless every part of a check-in has a plausible size."""
    if len(check_in.nonce) > MAX_WORD or len(check_in.etag) > MAX_WORD:
        raise HostileInput(f"nonce and etag have at most {MAX_WORD} characters", field="nonce")
    if len(check_in.models) > MAX_MODELS or not 0 <= check_in.backlog < 2**31:
        raise HostileInput(f"a device reports at most {MAX_MODELS} models", field="models")
    pace = check_in.pace
    if not all(0 <= number < MAX_PACE for number in (pace.download_bytes_s, pace.request_s, pace.apply_bytes_s)):
        raise HostileInput(f"a pace is not negative and below {MAX_PACE:g}", field="pace")
    for state in check_in.models:
        texts = (state.model, state.manifest_sha256, state.step, *state.held_manifests)
        numbers = (state.version, state.counter, state.candidate_counter)
        is_plausible = all(map(_PLAIN.fullmatch, texts)) and all(0 <= number < 2**31 for number in numbers)
        if not is_plausible or len(state.held_manifests) > MAX_HELD:
            raise HostileInput(f"the state of model '{state.model[:100]}' is not plausible", field="models")
