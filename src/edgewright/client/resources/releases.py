"""Releases: built at the hub, signed here, approved by somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from edgewright.client.resources.content import Content, SignsContent
from edgewright.client.transport import Transport
from edgewright.contract.api import (
    DeltaRecord,
    EvaluationRecord,
    FitRecord,
    MisfitPage,
    Outcome,
    ReleaseDraft,
    ReleaseRecord,
    ReleaseState,
    SignatureDraft,
    SigningPayload,
    SigningRequest,
    VerifyReport,
)
from edgewright.contract.errors import HostileInput, Refused
from edgewright.contract.manifest import Dependency
from edgewright.contract.wire import read_json


class Signs(SignsContent, Protocol):
    """Whoever holds release keys; `client.keys.OperatorKeys` does."""

    def sign(self, payload: SigningPayload) -> list[SignatureDraft]:
        """Sign the exact bytes of a payload with every key that it asks for and that is here."""
        ...

    def describe(self, payload: SigningPayload) -> list[str]:
        """Say in sentences what would be signed; raises HostileInput for what must not be."""
        ...

    def beyond_release(self, payload: SigningPayload, model: str, counter: int) -> list[str]:
        """Say what of it is no part of that release."""
        ...


class MoreThanTheRelease(Refused):
    """The hub asks for more than the release: other paths, other keys, other rules."""

    code = "more_than_the_release"
    hint = "Read what it says. If that is known to you, sign it with --yes; if not, ask who runs the hub."


class Releases:
    """The packages of one version under one rising counter."""

    def __init__(self, hub: Transport, content: Content) -> None:
        self._hub = hub
        self._content = content

    def build(
        self, model: str, version: int, *, note: str = "", needs: Sequence[Dependency] = (), dry_run: bool = False
    ) -> ReleaseRecord:
        """Package every variant of a version; `needs` names other models that must serve on the device."""
        draft = ReleaseDraft(model=model, version=version, note=note, needs=tuple(needs))
        return self._hub.post("releases", body=draft, into=ReleaseRecord, dry_run=dry_run)

    def list(self, model: str = "") -> tuple[ReleaseRecord, ...]:
        """All releases, or those of one model."""
        return self._hub.get("releases", into=tuple[ReleaseRecord, ...], model=model)

    def get(self, model: str, counter: int) -> ReleaseRecord:
        """One release."""
        return self._hub.get("releases", model, counter, into=ReleaseRecord)

    def signing_request(self, model: str, counter: int) -> SigningRequest:
        """What awaits a signature, checked against the release: see `check_request`."""
        request = self._hub.get("releases", model, counter, "signing", into=SigningRequest)
        check_request(request, model, counter)
        return request

    def sign(self, model: str, counter: int, keys: Signs, *, dry_run: bool = False) -> ReleaseRecord:
        """Sign a release with keys that never leave this machine. A dry run looks at all of it and signs nothing."""
        request = self.signing_request(model, counter)
        if dry_run:
            for payload in request.payloads:
                keys.describe(payload)
            return request.release
        return self.add_signatures(request, keys)

    def add_signatures(self, request: SigningRequest, keys: Signs, *, is_accepted: bool = False) -> ReleaseRecord:
        """Sign a request that was fetched and looked at before, and the content too where there is a key for that.

        Raises MoreThanTheRelease where it changes other things too, unless somebody has read and accepted them.
        """
        beyond = beyond_release(request, keys)
        if beyond and not is_accepted:
            others = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
            message = f"to sign {request.release.id} is to sign more: {beyond[0]}{others}"
            raise MoreThanTheRelease(message, field="signed")
        drafts = [draft for payload in request.payloads for draft in keys.sign(payload)]
        if request.payloads and not drafts:
            wanted = ", ".join(sorted({keyid[:12] for payload in request.payloads for keyid in payload.keyids}))
            raise Refused(
                f"no key here may sign {request.release.id}; it takes one of {wanted}",
                field="keys",
                hint="Name the folder of the release keys with --keys.",
            )
        parts = ("releases", request.release.model, request.release.counter, "signatures")
        release = self._hub.post(*parts, body=drafts, into=ReleaseRecord)
        self._content.sign(request.release, keys)
        return release

    def sign_promoted(self, keys: Signs, model: str = "", *, dry_run: bool = False) -> tuple[ReleaseRecord, ...]:
        """Sign every draft whose version its declared rules have promoted, and return them: for machines that sign.

        One that was judged and not promoted, that nobody judged, or whose signing would change other things too, is
        left to people.
        """
        waiting = [one for one in self.list(model) if one.state is ReleaseState.DRAFT and _lacks_signatures(one)]
        signed = []
        for one in filter(self._is_promoted, waiting):
            request = self.signing_request(one.model, one.counter)
            if not beyond_release(request, keys):
                signed.append(request.release if dry_run else self.add_signatures(request, keys))
        return tuple(signed)

    def _is_promoted(self, release: ReleaseRecord) -> bool:
        parts = ("models", release.model, "evaluations")
        found = self._hub.get(*parts, into=tuple[EvaluationRecord, ...], challenger=release.version)
        return bool(found) and found[-1].verdict.outcome is Outcome.YES

    def approve(self, model: str, counter: int, *, dry_run: bool = False) -> ReleaseRecord:
        """Approve the release as it is now; its author's approval does not count."""
        parts = ("releases", model, counter, "approve")
        return self._hub.post(*parts, body={}, into=ReleaseRecord, dry_run=dry_run)

    def verify(self, model: str, counter: int) -> VerifyReport:
        """Check a release from the root of trust down to every blob."""
        return self._hub.get("releases", model, counter, "verify", into=VerifyReport)

    def fit(self, model: str, counter: int, group: str = "") -> FitRecord:
        """Which devices of a group, or of all, a release fits, and why the others get nothing."""
        query = {"group": group} if group else {}
        return self._hub.get("releases", model, counter, "fit", into=FitRecord, **query)

    def misfits(self, model: str, counter: int, group: str = "", *, after: str = "", limit: int = 200) -> MisfitPage:
        """Some of the devices that it does not fit, by id, and why; `after` of a page asks for the next one."""
        asked = {"group": group, "after": after, "limit": limit}
        given = {name: str(value) for name, value in asked.items() if value != ""}
        return self._hub.get("releases", model, counter, "misfits", into=MisfitPage, **given)

    def deltas(self, model: str, counter: int) -> tuple[DeltaRecord, ...]:
        """The deltas to a release: from what, for how many devices, and what became of them."""
        return self._hub.get("releases", model, counter, "deltas", into=tuple[DeltaRecord, ...])

    def retry_deltas(self, model: str, counter: int, *, dry_run: bool = False) -> tuple[DeltaRecord, ...]:
        """Try again what failed or did not pay."""
        parts = ("releases", model, counter, "deltas", "retry")
        return self._hub.post(*parts, body={}, into=tuple[DeltaRecord, ...], dry_run=dry_run)


def _lacks_signatures(release: ReleaseRecord) -> bool:
    return len(release.signatures) < max(1, release.signatures_needed)


def beyond_release(request: SigningRequest, keys: Signs) -> list[str]:
    """What a request would have signed that is no part of its release, in sentences."""
    model, counter = request.release.model, request.release.counter
    return [line for payload in request.payloads for line in keys.beyond_release(payload, model, counter)]


def check_request(request: SigningRequest, model: str, counter: int) -> None:
    """Make sure that what is to be signed says what the release says; raises HostileInput where it does not.

    The release must be the one that was asked for, every package of it must stand among the signed targets under
    its own digest, and nothing else may stand there under its counter.
    """
    release = request.release
    if (release.model, release.counter) != (model, counter):
        raise HostileInput(f"asked for {model}/{counter}, the hub sent {release.id}", field="release")
    offered = {path: sha256 for payload in request.payloads for path, sha256 in _targets(payload).items()}
    for package in release.packages:
        signed = offered.get(package.path)
        if signed != package.manifest_sha256:
            raise HostileInput(
                f"{package.path}: the release says {package.manifest_sha256}, the metadata to sign {signed}",
                field=f"packages.{package.target}",
                hint="Do not sign. Ask who runs the hub.",
            )
    strays = {path for path in offered if path.startswith(f"{release.id}/")} - {one.path for one in release.packages}
    if strays:
        raise HostileInput(
            f"{min(strays)} is in the metadata to sign and not in the release",
            field="packages",
            hint="Do not sign. Ask who runs the hub.",
        )


def _targets(payload: SigningPayload) -> dict[str, str]:
    """SHA-256 by target path (TUF §4.5), none for a payload of another role."""
    try:
        signed = read_json(payload.signed, dict[str, Any], "signed metadata")
        targets = signed.get("targets", {}) if signed.get("_type") == "targets" else {}
        return {path: str(target["hashes"]["sha256"]) for path, target in targets.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise HostileInput(f"the metadata to sign for {payload.role} is not TUF's: {error}", field="signed") from error
