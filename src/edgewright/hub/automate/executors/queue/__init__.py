"""The queue of tasks that others do, who may do them, and how one waits for them."""

from edgewright.hub.automate.executors.queue.following import ByWorkers, Following, News
from edgewright.hub.automate.executors.queue.forgetting import Forgetting
from edgewright.hub.automate.executors.queue.grants import BadGrant, Grants, Scope
from edgewright.hub.automate.executors.queue.service import BEAT_S, FIRST_LEASE_S, LEASE_S, NEWS, Tasks
from edgewright.hub.automate.executors.queue.workers import TOKEN, Workers

__all__ = [
    "BEAT_S",
    "FIRST_LEASE_S",
    "LEASE_S",
    "NEWS",
    "TOKEN",
    "BadGrant",
    "ByWorkers",
    "Following",
    "Forgetting",
    "Grants",
    "News",
    "Scope",
    "Tasks",
    "Workers",
]
