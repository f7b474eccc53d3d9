"""Declares what pipelines need of their models, as apps do, so that no package is installed that breaks one.

See disk/apps.py: the agent holds an offer against what is declared before anything is downloaded.
"""

from __future__ import annotations

import time

from edgewright.agent.disk import apps, pipelines
from edgewright.agent.disk.pipelines import PipelineSpec
from edgewright.agent.gateway.models import Folder
from edgewright.contract.errors import EdgewrightError

PREFIX = "pipeline-"
LOOK_EVERY_S = 10.0

Seen = dict[str, tuple[PipelineSpec, str, str]]


class Needs:
    """Keeps the declarations in step with pipelines.json. `turn` is called now and then."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._seen: Seen = {}

    def turn(self) -> None:
        """Declare what is new, and forget what is gone. Raises OSError where nothing can be written."""
        known = self._folder.pipelines()
        if self._folder.trouble():
            return  # a file that is being written, or spoilt: what was declared stays
        for name, spec in known.items():
            self._declare(name, spec)
        declared = {found.app for found in apps.declarations(self._folder.root) if found.app.startswith(PREFIX)}
        for app in declared - {_app(name) for name in known}:
            apps.forget(self._folder.root, app)

    def _declare(self, name: str, spec: PipelineSpec) -> None:
        first, second = (self._folder.manifest(stage) for stage in spec.stages)
        if first is None or second is None:
            return
        now = (spec, str(first.version), str(second.version))
        if self._seen.get(name) == now:
            return
        try:
            wanted = pipelines.needs(first.contract, second.contract, spec.connect)
        except EdgewrightError:
            return  # the two do not fit now: callers are told; there is nothing worth keeping
        for stage, contract in zip(spec.stages, wanted, strict=True):
            apps.declare(self._folder.root, _app(name), stage, contract, time.time())
        self._forget_others(name, spec)
        self._seen[name] = now

    def _forget_others(self, name: str, spec: PipelineSpec) -> None:
        for found in apps.declarations(self._folder.root):
            if found.app == _app(name) and found.model not in spec.stages:
                apps.forget(self._folder.root, found.app, found.model)


def _app(name: str) -> str:
    return f"{PREFIX}{name}"[:63]
