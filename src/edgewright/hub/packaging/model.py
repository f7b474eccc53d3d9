"""When a release is ready, what its digest covers, and who may approve it: packaging's pure rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from edgewright.contract.api import ReleaseDraft, ReleaseState
from edgewright.contract.errors import Conflict, InvalidInput, NotAllowed, NotFound, Refused
from edgewright.contract.manifest import MAX_DEPENDENCIES


class NoVariants(Refused):
    code = "no_variants"
    hint = "Make them first: `edgewright optimize run MODEL@VERSION --target TARGET`."


class UnknownRelease(NotFound):
    code = "unknown_release"
    hint = "`edgewright release ls` lists the releases."


class OwnApproval(NotAllowed):
    code = "own_approval"
    hint = "Ask a second person with the role 'approver' to approve it."


class ReleaseIsBad(Conflict):
    code = "release_is_bad"
    hint = "Build a new release."


class StaleSignature(Conflict):
    code = "stale_signature"
    hint = "Another release was published meanwhile: run `edgewright release sign` again."


class NoRoot(Refused):
    code = "no_root"
    hint = "`edgewright hub up` makes the root of trust on its first start."


@dataclass(frozen=True)
class Signing:
    """How far one piece of metadata is signed: `keyids` are those whose signatures were found to hold."""

    role: str
    keyids: frozenset[str]
    threshold: int

    @property
    def is_complete(self) -> bool:
        return len(self.keyids) >= self.threshold


def target_path(model: str, counter: int, target: str) -> str:
    """Where the manifest of a package stands in the model's release role."""
    return f"{model}/{counter}/{target}.json"


def release_digest(model: str, version: int, counter: int, packages: Mapping[str, str]) -> str:
    """SHA-256 over what is approved: model, version, counter, and the manifest digest of every target."""
    what = {"model": model, "version": version, "counter": counter, "packages": dict(packages)}
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()


def counting_approvals(approvals: Iterable[tuple[str, str]], digest: str, author: str) -> tuple[str, ...]:
    """The people whose approval counts: bound to this very digest, and not the author. `approvals`: (who, digest)."""
    return tuple(sorted({who for who, bound in approvals if bound == digest and who != author}))


def is_ready(signings: Iterable[Signing], approvals: int, approvals_needed: int) -> bool:
    """Whether a release may be published: every piece of its metadata signed, and enough people for it."""
    pieces = list(signings)
    return bool(pieces) and all(piece.is_complete for piece in pieces) and approvals >= approvals_needed


def check_open(id: str, state: ReleaseState) -> None:
    """Raise ReleaseIsBad if nothing may be done with this release any more."""
    if state is ReleaseState.BAD:
        raise ReleaseIsBad(f"release {id} was found bad and is never offered again", field="counter")


def check_approver(id: str, author: str, approver: str) -> None:
    """Raise OwnApproval if the approver built the release."""
    if approver == author:
        raise OwnApproval(f"{approver} built release {id} and may not approve it", field="user")


def check_needs(draft: ReleaseDraft) -> None:
    """Raise InvalidInput unless the models that a release needs are others, each named once, and not too many."""
    names = [needed.model for needed in draft.needs]
    if draft.model in names:
        raise InvalidInput(f"{draft.model} cannot need itself", field="needs")
    if len(set(names)) != len(names) or len(names) > MAX_DEPENDENCIES:
        raise InvalidInput(f"each of at most {MAX_DEPENDENCIES} models is needed once", field="needs")
    if not all(needed.minimum_counter >= 1 for needed in draft.needs):
        raise InvalidInput("releases are counted from 1", field="needs", hint="Write MODEL>=COUNTER.")
