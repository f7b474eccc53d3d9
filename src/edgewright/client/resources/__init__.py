"""The hub's nouns, each with its verbs; `Client` holds one of each."""

from edgewright.client.resources.approvals import Approvals, Policies
from edgewright.client.resources.benches import Benches
from edgewright.client.resources.bundles import Bundles
from edgewright.client.resources.content import Content
from edgewright.client.resources.data import Blobs, Snapshots
from edgewright.client.resources.fleet import Devices, Groups
from edgewright.client.resources.keys import Keys
from edgewright.client.resources.observation import AlertRoutes, Alerts, Drift
from edgewright.client.resources.people import Audit, Users
from edgewright.client.resources.registry import Models
from edgewright.client.resources.rehearsals import Rehearsals
from edgewright.client.resources.releases import Releases, Signs
from edgewright.client.resources.rollouts import Rollouts
from edgewright.client.resources.runs import Pipelines, Runs
from edgewright.client.resources.samples import DataPolicies, Labels, Lake
from edgewright.client.resources.targets import Targets
from edgewright.client.resources.triggers import Triggers
from edgewright.client.resources.workers import Tasks, Workers

__all__ = [
    "AlertRoutes",
    "Alerts",
    "Approvals",
    "Audit",
    "Benches",
    "Blobs",
    "Content",
    "Bundles",
    "DataPolicies",
    "Devices",
    "Drift",
    "Groups",
    "Keys",
    "Labels",
    "Lake",
    "Models",
    "Pipelines",
    "Policies",
    "Rehearsals",
    "Releases",
    "Rollouts",
    "Runs",
    "Signs",
    "Snapshots",
    "Targets",
    "Tasks",
    "Triggers",
    "Users",
    "Workers",
]
