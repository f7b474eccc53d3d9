"""Every room's tables, gathered: what migrations are checked against."""

from __future__ import annotations

import edgewright.hub.automate.executors.queue.table
import edgewright.hub.automate.judging.table
import edgewright.hub.automate.pipelines.table
import edgewright.hub.automate.policies.table
import edgewright.hub.automate.triggers.table
import edgewright.hub.benches.table
import edgewright.hub.data.table
import edgewright.hub.fleet.table
import edgewright.hub.govern.table
import edgewright.hub.jobs.table
import edgewright.hub.observe.alerts.table
import edgewright.hub.observe.routes.table
import edgewright.hub.observe.segments.table
import edgewright.hub.observe.table
import edgewright.hub.observe.windows.table
import edgewright.hub.optimize.table
import edgewright.hub.optimize.targeting.table
import edgewright.hub.packaging.content.table
import edgewright.hub.packaging.keychanges.table
import edgewright.hub.packaging.table
import edgewright.hub.provenance.table
import edgewright.hub.registry.table
import edgewright.hub.rollout.table  # noqa: F401
from edgewright.hub.db import metadata

__all__ = ["metadata"]
