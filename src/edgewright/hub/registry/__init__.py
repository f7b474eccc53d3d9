"""Registry: models, versions, variants and the blobs they are made of."""

from edgewright.hub.registry.blobs import Blobs
from edgewright.hub.registry.model import (
    GOLDEN_FILE,
    MODEL_FILES,
    REFERENCE_FILE,
    UnknownModel,
    UnknownVersion,
    check_name,
    check_version_files,
    tables_of,
)
from edgewright.hub.registry.rows import check_rows
from edgewright.hub.registry.service import Registry

__all__ = [
    "Blobs",
    "GOLDEN_FILE",
    "MODEL_FILES",
    "REFERENCE_FILE",
    "Registry",
    "UnknownModel",
    "UnknownVersion",
    "check_name",
    "check_rows",
    "check_version_files",
    "tables_of",
]
