"""Data: snapshots of datasets, samples from the field, labels."""

from edgewright.hub.data.model import (
    HOLDOUT,
    HOLDOUT_NEW,
    LABEL,
    TRAIN,
    Answer,
    check_paths,
    sample_id,
    snapshot_digest,
)
from edgewright.hub.data.samples import read_tensors
from edgewright.hub.data.service import Data

__all__ = [
    "HOLDOUT",
    "HOLDOUT_NEW",
    "LABEL",
    "TRAIN",
    "Answer",
    "Data",
    "check_paths",
    "read_tensors",
    "sample_id",
    "snapshot_digest",
]
