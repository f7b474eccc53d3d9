"""Data: snapshots of datasets, samples from the field, labels."""

from edgewright.hub.data.model import HOLDOUT, HOLDOUT_NEW, LABEL, TRAIN, check_paths, sample_id, snapshot_digest
from edgewright.hub.data.service import Data, read_tensors

__all__ = [
    "HOLDOUT",
    "HOLDOUT_NEW",
    "LABEL",
    "TRAIN",
    "Data",
    "check_paths",
    "read_tensors",
    "sample_id",
    "snapshot_digest",
]
