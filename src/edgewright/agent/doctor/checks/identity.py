"""Who this device is, and whether it can prove that."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.agent import keys
from edgewright.agent.disk import NotEnrolled
from edgewright.agent.doctor.finding import Case, Finding, bad, ok
from edgewright.agent.keys import KeyUnusable
from edgewright.contract.errors import EdgewrightError

FILE = "device.key"


def enrolment(case: Case) -> Iterator[Finding]:
    """The device is enrolled."""
    if case.identity is None:
        if not (case.root / "identity.json").exists():
            yield bad("identity", "this device is not enrolled", NotEnrolled.hint)
        return
    yield ok("identity", f"{case.identity.name} is {case.identity.device} at {case.identity.hub}")


def key(case: Case) -> Iterator[Finding]:
    """The key is there, closed to others, and signs."""
    place = case.settings.key
    if place == "file":
        copies = [path for path in (case.root / FILE, case.root / f"{FILE}.bak") if path.exists()]
        if not copies:
            if case.identity is not None:
                yield bad("key", f"{case.root / FILE} is gone, and with it who this device was", _anew(case))
            return
        for path in copies:
            if path.stat().st_mode & 0o077:
                help = f"chmod 600 {path}, and enrol anew if somebody may have copied it."
                yield bad("key", f"others may read {path}", help)
                return
    try:
        device_key = keys.open_key(case.root, place, case.environment)
        device_key.public_key.verify(device_key.sign(b"doctor"), b"doctor")
    except KeyUnusable as error:
        yield bad("key", f"{place.partition('?')[0]}: {error.message}", _token_help(place, error))
    except EdgewrightError as error:
        yield bad("key", error.message, _anew(case))
    else:
        yield ok("key", f"{place.partition('?')[0]} signs with {device_key.public_key.algorithm}")


def _anew(case: Case) -> str:
    return f"Bring {FILE} back, or revoke this device at the hub and enrol anew in an empty folder."


def _token_help(place: str, error: KeyUnusable) -> str:
    if "PIN" in error.message:
        return (
            error.hint if "is no PIN" in error.message else "Put the right PIN where pin-source says, before it locks."
        )
    if "not installed" in error.message:
        return error.hint
    module = place.partition("module-path=")[2].partition("&")[0]
    return f"Is the token plugged in, and may this user reach it? `pkcs11-tool --module {module} -O` lists its objects."
