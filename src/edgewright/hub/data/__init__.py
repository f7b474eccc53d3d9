"""Data: snapshots of datasets, samples from the field, labels."""

from edgewright.hub.data.model import HOLDOUT, HOLDOUT_NEW, LABEL, TRAIN
from edgewright.hub.data.service import Data

__all__ = ["HOLDOUT", "HOLDOUT_NEW", "LABEL", "TRAIN", "Data"]
