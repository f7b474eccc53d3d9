"""Data: snapshots of datasets, samples from the field, labels."""

from edgewright.hub.data.model import (
    HOLDOUT,
    HOLDOUT_NEW,
    LABEL,
    RESERVOIR,
    TRAIN,
    Answer,
    check_paths,
    sample_id,
    snapshot_digest,
)
from edgewright.hub.data.policies import DataPolicies
from edgewright.hub.data.samples.collecting import Collections
from edgewright.hub.data.samples.store import read_tensors
from edgewright.hub.data.service import Data

__all__ = [
    "HOLDOUT",
    "HOLDOUT_NEW",
    "LABEL",
    "RESERVOIR",
    "TRAIN",
    "Answer",
    "Collections",
    "Data",
    "DataPolicies",
    "check_paths",
    "read_tensors",
    "sample_id",
    "snapshot_digest",
]
