"""Govern: people, roles, approvals, the audit log and the hub's online keys."""

from edgewright.hub.govern.approvals import Approvals, check_why
from edgewright.hub.govern.audit import Audit
from edgewright.hub.govern.keys import Keys
from edgewright.hub.govern.model import SYSTEM, Permission, Principal, require
from edgewright.hub.govern.service import People
from edgewright.hub.govern.voting import who_may

__all__ = [
    "SYSTEM",
    "Approvals",
    "Audit",
    "Keys",
    "People",
    "Permission",
    "Principal",
    "check_why",
    "require",
    "who_may",
]
