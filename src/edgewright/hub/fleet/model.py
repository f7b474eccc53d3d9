"""The fleet's words and pure rules: errors, labels, the shapes of tokens, and what a check-in may say."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from edgewright.contract.api import DeviceState
from edgewright.contract.errors import Conflict, HostileInput, InvalidInput, NotAllowed, NotLoggedIn
from edgewright.contract.report import CheckIn
from edgewright.contract.wire import MAX_COUNT

CLAIM_PREFIX = "ewc_"
SESSION_PREFIX = "ews_"
TOKEN_BYTES = 32
NONCE_TTL_S = 60.0
SESSION_TTL_S = 3600.0
MAX_LABELS = 32
MAX_MODELS = 64
MAX_HELD = 8
MAX_WORD = 200
MAX_PACE = 1e12
MAX_PAGE = 1000
ENDED = (DeviceState.RETIRED, DeviceState.REVOKED)
IN_SERVICE = (DeviceState.ACTIVE, DeviceState.QUARANTINED)
"""Devices that are in groups: a quarantined one keeps its place until a person decides."""

_LABEL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9_.:/ -]{1,100}")
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


class Desired(NamedTuple):
    """What the hub wants of one model on one device: the release counter, and those that went wrong there."""

    counter: int
    bad_counters: tuple[int, ...] = ()


POLLS_MISSED = 2.5
"""A device may be late twice before people are told that it is away."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """When a device was last heard of, in seconds since the epoch, and how many records wait on it.

    `poll_s` is how often it was told then to check in, stretching included; None: as it is set itself.
    """

    at: float | None
    backlog: int = 0
    poll_s: float | None = None

    def is_silent(self, now: float, silence_s: float) -> bool:
        """Whether it was not heard of for `silence_s`, nor for POLLS_MISSED times as often as it was told."""
        return self.at is None or now - self.at > max(silence_s, POLLS_MISSED * (self.poll_s or 0.0))


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


def is_plain(text: str) -> bool:
    """Whether a text that a device sends has at most 100 characters, all of them plain."""
    return _PLAIN.fullmatch(text) is not None


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


def check_check_in(check_in: CheckIn) -> None:
    """Raise HostileInput unless every part of a check-in has a plausible size."""
    if len(check_in.nonce) > MAX_WORD or len(check_in.etag) > MAX_WORD:
        raise HostileInput(f"nonce and etag have at most {MAX_WORD} characters", field="nonce")
    if not 0 <= check_in.backlog < 2**31:
        raise HostileInput(f"a backlog of {check_in.backlog} records is not plausible", field="backlog")
    if not is_plain(check_in.life) or not 0 <= check_in.turn <= MAX_COUNT:
        raise HostileInput("a life has a plain name, and its turns are counted from 0", field="life")
    if len(check_in.models) > MAX_MODELS or len(check_in.deferrals) > MAX_MODELS:
        raise HostileInput(f"a device reports at most {MAX_MODELS} models", field="models")
    if not all(is_plain(deferral.deployment) and is_plain(deferral.reason) for deferral in check_in.deferrals):
        raise HostileInput("a deferral names its deployment and its reason in plain words", field="deferrals")
    pace = check_in.pace
    if not all(0 <= number < MAX_PACE for number in (pace.download_bytes_s, pace.request_s, pace.apply_bytes_s)):
        raise HostileInput(f"a pace is not negative and below {MAX_PACE:g}", field="pace")
    for state in check_in.models:
        texts = (state.model, state.manifest_sha256, state.step, *state.held_manifests)
        numbers = (state.version, state.counter, state.candidate_counter)
        is_plausible = all(map(_PLAIN.fullmatch, texts)) and all(0 <= number < 2**31 for number in numbers)
        if not is_plausible or len(state.held_manifests) > MAX_HELD:
            raise HostileInput(f"the state of model '{state.model[:100]}' is not plausible", field="models")
