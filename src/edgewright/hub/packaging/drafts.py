"""The next metadata of a release, for people to sign. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime

from tuf.api.metadata import TargetFile, Targets

from edgewright.contract.keychange import LIFETIME, delegate, new_model_keys


def delegating(top: Targets, model: str, now: datetime) -> Targets:
    """The next top-level targets, which let the keys for new models release this one too."""
    fresh = copy.deepcopy(top)
    delegate(fresh, model, *new_model_keys(top))
    fresh.version, fresh.expires = top.version + 1, now + LIFETIME
    return fresh


def releasing(published: Targets | None, targets: Mapping[str, tuple[int, str]], now: datetime) -> Targets:
    """The next release role: what was released before, and these targets (path: length, SHA-256)."""
    fresh = copy.deepcopy(published) if published else Targets(version=1)
    fresh.version = published.version + 1 if published else 1
    fresh.expires = now + LIFETIME
    for path, (length, sha256) in targets.items():
        fresh.targets[path] = TargetFile(length, {"sha256": sha256}, path)
    return fresh
