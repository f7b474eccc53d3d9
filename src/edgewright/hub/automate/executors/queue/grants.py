"""Grants: words that open the doors of one attempt at one task, until a time, and can be neither made nor stretched."""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum

from edgewright.contract.errors import NotAllowed

MARGIN_S = 3600.0
"""How long after its time limit the doors of a task stay open: to fetch before, and to bring after."""


class BadGrant(NotAllowed):
    code = "bad_grant"
    hint = "Ask for work again: `edgewright worker run`. A link of a task is good for that task and some time alone."


class Scope(StrEnum):
    """What a grant is for; ALL is a worker's."""

    ALL = "all"
    READ = "read"
    WRITE = "write"
    END = "end"


class Grants:
    """Makes and checks grants with one secret, which all hubs of a folder share."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, task: str, attempt: int, scope: Scope, until: float) -> str:
        """A grant as it stands in a header or an address: `ATTEMPT.UNTIL.SCOPE.MAC` (HMAC-SHA-256)."""
        head = f"{attempt}.{int(until)}.{scope}"
        return f"{head}.{self._mac(task, head)}"

    def check(self, grant: str, task: str, scope: Scope, now: float) -> int:
        """The attempt that `grant` is for; raises BadGrant, which says why."""
        head, _, mac = grant.rpartition(".")
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(task, head).encode()):
            raise BadGrant("this grant was not made by this hub for this task", field="grant")
        attempt, until, given = head.split(".")  # ours: nobody else can make one
        if given not in (scope, Scope.ALL):
            raise BadGrant(f"this grant is for '{given}', not for '{scope}'", field="grant")
        if now > int(until):
            raise BadGrant("this grant has ended", field="grant")
        return int(attempt)

    def _mac(self, task: str, head: str) -> str:
        said = f"edgewright task\n{task}\n{head}".encode("utf-8", "replace")
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()
