"""Registry: models, versions, variants and the blobs they are made of.

What is handed out here is imported when it is first asked for: children that look into a model, or run one, live in
this folder too, and must not wait for a database's code.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from edgewright.hub.registry.truth import HoldOutCounts, decode_counts

__all__ = [
    "Blobs",
    "GOLDEN_FILE",
    "HoldOutCounts",
    "MODEL_FILES",
    "REFERENCE_FILE",
    "Registry",
    "UnknownModel",
    "UnknownVersion",
    "check_name",
    "check_rows",
    "check_version_files",
    "decode_counts",
    "tables_of",
]

_PLACES = {
    "Blobs": "blobs",
    "HoldOutCounts": "truth",
    "Registry": "service",
    "check_rows": "rows",
    "decode_counts": "truth",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES.get(name, 'model')}"), name)
