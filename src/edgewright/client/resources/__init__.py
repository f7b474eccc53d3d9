"""The hub's nouns, each with its verbs; `Client` holds one of each."""

from edgewright.client.resources.benches import Benches
from edgewright.client.resources.bundles import Bundles
from edgewright.client.resources.content import Content
from edgewright.client.resources.data import Blobs, Labels, Snapshots
from edgewright.client.resources.fleet import Devices, Groups
from edgewright.client.resources.keys import Keys
from edgewright.client.resources.observation import Alerts
from edgewright.client.resources.people import Audit, Users
from edgewright.client.resources.registry import Models
from edgewright.client.resources.rehearsals import Rehearsals
from edgewright.client.resources.releases import Releases, Signs
from edgewright.client.resources.rollouts import Rollouts
from edgewright.client.resources.runs import Pipelines, Runs
from edgewright.client.resources.targets import Targets
from edgewright.client.resources.triggers import Triggers

__all__ = [
    "Alerts",
    "Audit",
    "Benches",
    "Blobs",
    "Content",
    "Bundles",
    "Devices",
    "Groups",
    "Keys",
    "Labels",
    "Models",
    "Pipelines",
    "Rehearsals",
    "Releases",
    "Rollouts",
    "Runs",
    "Signs",
    "Snapshots",
    "Targets",
    "Triggers",
    "Users",
]
