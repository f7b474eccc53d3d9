"""Claim tokens: made by people, kept hashed, good for so many devices of one class until they expire."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from edgewright.contract.api import ClaimDraft, ClaimReply
from edgewright.contract.errors import InvalidInput
from edgewright.hub.db import Database
from edgewright.hub.fleet import table
from edgewright.hub.fleet.announcing import Announcer
from edgewright.hub.fleet.enrolment.replacing import check_replaceable
from edgewright.hub.fleet.model import CLAIM_PREFIX, TOKEN_BYTES, check_labels, is_plain, token, token_sha256

MAX_CLAIMS = 1000
MAX_USES = 100_000
MAX_HARDWARE = 32
MAX_CLAIM_TTL_S = 366 * 86400.0


class Claims:
    """Makes claim tokens."""

    def __init__(self, db: Database, announcer: Announcer, token_bytes: Callable[[int], bytes]) -> None:
        self._db = db
        self._announcer = announcer
        self._token_bytes = token_bytes

    def make(self, by: str, draft: ClaimDraft, now: float, dry_run: bool) -> ClaimReply:
        """Make the tokens; they are shown here and never again. A dry run checks and makes none.

        Raises InvalidInput, NotFound, AlreadyReplaced.
        """
        check_claim_draft(draft)
        expires_at = now + draft.expires_in_s
        with self._db.write() as connection:
            if draft.replaces:
                check_replaceable(connection, draft.replaces)
            if dry_run:
                return ClaimReply(tokens=(), expires_at=expires_at)
            tokens = tuple(token(CLAIM_PREFIX, self._token_bytes(TOKEN_BYTES)) for _ in range(draft.count))
            shared = {"created_at": now, "created_by": by, "expires_at": expires_at, "used": 0}
            shared |= {name: getattr(draft, name) for name in ("labels", "uses", "needs_approval", "replaces")}
            shared["hardware"] = list(draft.hardware)
            rows = [{"token_sha256": token_sha256(text), **shared} for text in tokens]
            connection.execute(sa.insert(table.claim), rows)
            detail = {"count": draft.count, "uses": draft.uses, "labels": draft.labels, "replaces": draft.replaces}
            self._announcer.of_claims(connection, by, **detail)
        return ClaimReply(tokens=tokens, expires_at=expires_at)


def check_claim_draft(draft: ClaimDraft) -> None:
    """Raise InvalidInput unless claim tokens can be made so."""
    if not 1 <= draft.count <= MAX_CLAIMS:
        raise InvalidInput(f"{draft.count} claim tokens at once: ask for 1 to {MAX_CLAIMS}", field="count")
    if not 1 <= draft.uses <= MAX_USES:
        raise InvalidInput(f"a token for {draft.uses} devices: choose 1 to {MAX_USES}", field="uses")
    if not 0 < draft.expires_in_s <= MAX_CLAIM_TTL_S:
        raise InvalidInput(
            f"a claim token cannot expire in {draft.expires_in_s:g} s",
            field="expires_in_s",
            hint=f"Choose more than 0 and at most {MAX_CLAIM_TTL_S:g} seconds (a year).",
        )
    if len(draft.hardware) > MAX_HARDWARE or not all(map(is_plain, draft.hardware)):
        raise InvalidInput(
            "a class of hardware is no such name",
            field="hardware",
            hint="Give architectures (aarch64) or hardware ids (raspberrypi,4-model-b), at most 32.",
        )
    if draft.replaces and (draft.count, draft.uses) != (1, 1):
        raise InvalidInput("one board takes a device's place: count and uses are 1", field="replaces")
    check_labels(draft.labels)
