"""Durable work: runs that survive a crash of the hub and go on where they were, here or at another hub."""

from edgewright.hub.jobs.context import Body, RunContext
from edgewright.hub.jobs.service import Jobs
from edgewright.hub.jobs.table import ENDED, run_table

__all__ = ["ENDED", "Body", "Jobs", "RunContext", "run_table"]
