"""Transfers as training: the recipes' own step makes a version out of its parent, with a new last layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.pipelines.commands.listening import Listening
from edgewright.hub.automate.pipelines.commands.results import Trained
from edgewright.hub.automate.pipelines.params import TransferParams, read
from edgewright.hub.jobs import RunContext
from edgewright.hub.optimize.model import StepPlan
from edgewright.hub.optimize.service import Optimize
from edgewright.hub.registry import Registry

if TYPE_CHECKING:
    from edgewright.hub.automate.pipelines.commands.training import Work

STEP = "transfer"


class Transferring:
    """Has the recipe step 'transfer' make a version out of its parent."""

    def __init__(self, registry: Registry, optimize: Optimize, listening: Listening) -> None:
        self._registry = registry
        self._optimize = optimize
        self._listening = listening

    def transfer(self, context: RunContext, work: Work) -> Trained:
        """Train the new layer; raises InvalidInput without a parent, and what the step raises."""
        if not work.parent:
            hint = "Train a first version by a command, or register one: `edgewright model register`."
            raise InvalidInput(
                "a transfer needs a parent's weights", field=f"pipeline.steps.{work.step.name}", hint=hint
            )
        params = read(work.step, TransferParams)
        plan = StepPlan(name=STEP, params={"seed": work.pipeline.seed, **msgspec.to_builtins(params)})
        parent = self._registry.version(work.pipeline.model, work.parent)
        lineage = msgspec.structs.replace(parent.lineage, snapshot=work.snapshot)
        version = msgspec.structs.replace(parent, lineage=lineage)
        made = self._optimize.apply(context.id, version, plan, lambda: self._listening.is_cancelled(context, work.run))
        context.report(work.step.name, log="".join(f"{note}\n" for note in made.notes))
        return Trained(source_sha256=made.sha256, metrics={}, environment=made.tools, where="hub")
