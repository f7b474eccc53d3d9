"""Govern: people, roles, the audit log and the hub's online keys."""

from edgewright.hub.govern.audit import Audit
from edgewright.hub.govern.keys import Keys
from edgewright.hub.govern.model import SYSTEM, Permission, Principal, require
from edgewright.hub.govern.service import People

__all__ = ["SYSTEM", "Audit", "Keys", "People", "Permission", "Principal", "require"]
