"""What most doors take, as the framework wants it marked: the hub, who asks, and whether it is a rehearsal."""

from __future__ import annotations

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromQuery

from edgewright.contract.api import Reason as ReasonText
from edgewright.hub.app import Hub
from edgewright.hub.govern import Principal

TheHub = NamedDependency[Hub]
Caller = NamedDependency[Principal]
DryRun = FromQuery[bool]
"""Check everything and change nothing."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a person steps in."""

    reason: ReasonText = ""
