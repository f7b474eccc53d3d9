"""What a trigger that fires asks of its model's pipeline."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from edgewright.contract.api import Overrides, TriggerDraft
from edgewright.hub.automate.pipelines.service import Pipelines
from edgewright.hub.automate.triggers import Begin, Frozen, Occasion, Raised
from edgewright.hub.govern import People


def begins(pipelines: Pipelines, people: People) -> Begin:
    """Begins a run of the pipeline: against the version that an alert tells of, on the snapshot that was frozen."""

    def begin(connection: sa.Connection, principal: str, trigger: TriggerDraft, occasion: Occasion, why: str) -> str:
        overrides = overrides_of(trigger, occasion)
        return pipelines.start(connection, people.named(principal), trigger.model, why=why, overrides=overrides)

    return begin


def checks(pipelines: Pipelines) -> Callable[[TriggerDraft], object]:
    """Raises what would keep a trigger's runs from beginning: no pipeline, a step or a parameter that there is not."""
    return lambda trigger: pipelines.plan(trigger.model, Overrides(params=trigger.params))


def overrides_of(trigger: TriggerDraft, occasion: Occasion) -> Overrides:
    """What the run does otherwise than its pipeline says."""
    facts = occasion.facts
    return Overrides(
        params=trigger.params,
        champion=facts.version if isinstance(facts, Raised) else 0,
        alert=facts.alerts[-1] if isinstance(facts, Raised) and facts.alerts else "",
        snapshot=facts.snapshot if isinstance(facts, Frozen) else "",
    )
