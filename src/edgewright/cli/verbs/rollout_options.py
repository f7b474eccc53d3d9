"""What people say of a rollout on the command line: options that `rollout start` and `rollout plan` share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from edgewright.cli.arguments import bytes_of, release_of, seconds_of

if TYPE_CHECKING:
    from edgewright.contract.api import Budget, GateDraft, RolloutDraft, ScheduleDraft, SiteCap, WaveDraft

WAVES = "1,3,8"
Words = list[str] | None
NOT_GIVEN: tuple[object, ...] = (None, [], ())
"""How options look that were left out: 0 and '' were given."""


@dataclass(frozen=True)
class Options:
    """Every option of a rollout; None where it was not given."""

    group: Annotated[str | None, typer.Option(help="To which devices.")] = None
    waves: Annotated[
        str | None, typer.Option(help=f"Rising totals: 1,5%,site=berlin; the last takes the rest.  [default: {WAVES}]")
    ] = None
    soak: Annotated[str | None, typer.Option(help="How long each wave but the last is watched: 1h.")] = None
    promote: Annotated[bool | None, typer.Option("--promote", help="Each next wave waits for a person.")] = None
    file: Annotated[Path | None, typer.Option(help="A plan in TOML instead of options.", dir_okay=False)] = None
    window: Annotated[Words, typer.Option(help="When, in devices' own time: 'mon-fri 22:00-05:00'; repeatable.")] = None
    start_at: Annotated[str | None, typer.Option(help="Not before: 2026-12-01T22:00, this machine's time.")] = None
    defer: Annotated[str | None, typer.Option(help="How long a busy device may put it off: 6h.")] = None
    budget: Annotated[Words, typer.Option(help="At most so many of a site at a time: site=1; repeatable.")] = None
    cap: Annotated[Words, typer.Option(help="What a site bears: site=4 at once, site=500kB/s; repeatable.")] = None
    emergency: Annotated[str | None, typer.Option(metavar="REASON", help="All at once, whatever else is said.")] = None
    target: Annotated[str | None, typer.Option(help="One target for all; by device by default.")] = None
    max_failed: Annotated[int | None, typer.Option(help="How many devices may fail.  [default: 0]", min=0)] = None
    min_reported: Annotated[
        float | None, typer.Option(help="The share of a wave that must report.  [default: 0.5]", min=0, max=1)
    ] = None
    patience: Annotated[str | None, typer.Option(help="How long a device may be silent at least.  [default: 60s]")] = (
        None
    )
    rule: Annotated[Words, typer.Option(help="Of the gate: METRIC, METRIC=LIMIT[@4h], METRIC=off; repeatable.")] = None
    shadow_requests: Annotated[
        int | None, typer.Option(help="Requests to compare beforehand; 0: none.  [default: 50]", min=0)
    ] = None
    shadow_agreement: Annotated[
        float | None, typer.Option(help="The share that must agree.  [default: 0.9]", min=0, max=1)
    ] = None
    shadow_wait: Annotated[str | None, typer.Option(help="How long to wait for them.  [default: 120s]")] = None

    def draft(self, release: str) -> RolloutDraft:
        """The rollout that was asked for; raises UsageError, or InvalidInput for what a file says."""
        if self.file is not None:
            return self._from_file(self.file, release)
        from edgewright.contract.api import RolloutDraft

        if not release or self.group is None:
            hint = "Name MODEL/COUNTER and --group GROUP, or --file PLAN.toml."
            raise _usage("it is not said what shall go where", "release", hint)
        release_of(release)
        return RolloutDraft(
            release=release,
            group=self.group,
            waves=self._waves(),
            gate=self._gate(),
            target=self.target or "",
            schedule=self._schedule(),
            budgets=tuple(map(budget_of, self.budget or ())),
            caps=caps_of(self.cap or ()),
            emergency=self.emergency or "",
        )

    def _from_file(self, file: Path, release: str) -> RolloutDraft:
        """A file's plan, for another release or group where they are named."""
        import msgspec

        from edgewright.client import rollout_file

        given = [one.name for one in fields(self) if getattr(self, one.name) not in NOT_GIVEN]
        too_many = [name for name in given if name not in ("file", "group")]
        if too_many:
            option = too_many[0].replace("_", "-")
            raise _usage(f"--{option} and --file at once", option, "Write it into the file.")
        named = {"release": release, "group": self.group}
        return msgspec.structs.replace(rollout_file.read(file), **{name: told for name, told in named.items() if told})

    def _waves(self) -> tuple[int | WaveDraft, ...]:
        import msgspec

        from edgewright.contract.api import WaveDraft

        waves = waves_of(self.waves or WAVES)
        if self.soak is None and not self.promote:
            return waves
        watched = {"soak_s": seconds_of(self.soak or "0", "soak"), "needs_promotion": bool(self.promote)}
        drafts = [WaveDraft(count=wave) if isinstance(wave, int) else wave for wave in waves]
        return (*(msgspec.structs.replace(draft, **watched) for draft in drafts[:-1]), drafts[-1])

    def _gate(self) -> GateDraft:
        from edgewright.contract.api import GateDraft

        told: dict[str, Any] = {
            "max_failed": self.max_failed,
            "min_reported": self.min_reported,
            "patience_s": seconds_of(self.patience, "patience") if self.patience is not None else None,
            "shadow_requests": self.shadow_requests,
            "shadow_agreement": self.shadow_agreement,
            "shadow_wait_s": seconds_of(self.shadow_wait, "shadow-wait") if self.shadow_wait is not None else None,
            "rules": tuple(map(_rule, self.rule)) if self.rule else None,
        }
        return GateDraft(**{name: value for name, value in told.items() if value is not None})

    def _schedule(self) -> ScheduleDraft:
        from edgewright.contract.api import ScheduleDraft

        return ScheduleDraft(
            start_at=_moment(self.start_at) if self.start_at is not None else None,
            windows=tuple(self.window or ()),
            max_defer_s=seconds_of(self.defer, "defer") if self.defer is not None else 0.0,
        )


def with_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that takes `options: Options` each of them as an option of its own."""
    own = [one for one in inspect.signature(verb).parameters.values() if one.name != "options"]
    hints = get_type_hints(verb, include_extras=True)
    told = get_type_hints(Options, include_extras=True)

    @functools.wraps(verb)
    def with_all(**given: Any) -> None:
        options = Options(**{one.name: given.pop(one.name) for one in fields(Options)})
        verb(options=options, **given)

    shared = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=told[one.name])
        for one in fields(Options)
    ]
    mine = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name]) for one in own]
    first, last = mine[:1], mine[1:]
    signature = inspect.Signature([*first, *shared, *last])
    made: Any = with_all  # typer reads what stands on it
    made.__signature__ = signature
    made.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()} | {"return": None}
    return with_all


def waves_of(text: str) -> tuple[int | WaveDraft, ...]:
    """'1,5%,site=berlin' as waves."""
    from edgewright.client import rollout_file
    from edgewright.contract.errors import InvalidInput

    try:
        drafts = [rollout_file.wave_of(part) for part in text.split(",")]
    except InvalidInput as error:
        raise _usage(error.message, "waves", "Write rising totals: --waves 1,5%,25% or 1,site=berlin.") from error
    return tuple(draft.count or draft for draft in drafts)


def budget_of(text: str) -> Budget:
    """'site=1' as a budget."""
    from edgewright.contract.api import Budget

    per, _, most = text.partition("=")
    if not per or not most.isdecimal():
        raise _usage(f"{text!r} is no budget", "budget", "Write a label and a number of devices: --budget site=1.")
    return Budget(per=per, max_unavailable=int(most))


def caps_of(texts: Sequence[str]) -> tuple[SiteCap, ...]:
    """['site=4', 'site=500kB/s'] as one cap for each label."""
    import msgspec

    from edgewright.contract.api import SiteCap

    caps: dict[str, SiteCap] = {}
    for text in texts:
        per, _, most = text.partition("=")
        if not per or not most or not (most.isdecimal() or most.endswith("/s")):
            raise _usage(f"{text!r} is no cap", "cap", "Write --cap site=4 (at once) or --cap site=500kB/s.")
        cap = caps.get(per, SiteCap(per=per))
        told = {"bytes_s": float(bytes_of(most[:-2], "cap"))} if most.endswith("/s") else {"max_at_once": int(most)}
        caps[per] = msgspec.structs.replace(cap, **told)
    return tuple(caps.values())


def _rule(text: str) -> Any:
    """'METRIC', 'METRIC=LIMIT', 'METRIC=LIMIT@WAIT' or 'METRIC=off'."""
    from edgewright.contract.api import GateRule

    metric, _, said = text.partition("=")
    limit, _, wait = said.partition("@")
    if limit == "off":
        return GateRule(metric=metric, is_on=False)
    try:
        bound = float(limit) if limit else None
    except ValueError as error:
        raise _usage(f"{text!r} is no rule", "rule", "Write METRIC, METRIC=LIMIT[@4h] or METRIC=off.") from error
    return GateRule(metric=metric, limit=bound, wait_s=seconds_of(wait, "rule") if wait else None)


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise _usage(f"{text!r} is no time", "start-at", "Write 2026-12-01T22:00, if need be with +01:00.") from error


def _usage(message: str, field: str, hint: str) -> Exception:
    from edgewright.contract.errors import UsageError

    return UsageError(message, field=field, hint=hint)
