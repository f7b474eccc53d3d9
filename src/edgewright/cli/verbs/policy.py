"""`edgewright policy`: which steps of a model's pipeline go on without a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect, read_project
from edgewright.cli.formats import moment, words
from edgewright.cli.output import Column, DryRun, Json, say_done, show_facts

if TYPE_CHECKING:
    from edgewright.contract.api import StepPolicy, StepPolicyRecord

app = typer.Typer(no_args_is_help=True)


@app.command("set")
def set_policy(
    project: Annotated[Path, typer.Option(help="The folder whose edgewright.toml has [policy].")] = Path(),
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Set the project's [policy].

    One that lets more go on waits until people approve it.
    """
    from edgewright.contract.errors import InvalidInput

    plan = read_project(project)
    if plan.policy is None:
        hint = 'As in [policy], then: promote = "ask"'
        raise InvalidInput("the project has no [policy]", field="policy", hint=hint)
    with connect() as client:
        record = client.policies.put(plan.model, plan.policy, dry_run=dry_run)
    show_facts(record, FACTS, as_json=as_json)
    if record.proposed is None:
        say_done(f"the policy of {plan.model} is in force", dry_run=dry_run)
    else:
        done = f"the policy of {plan.model} waits for people; the old one holds until then"
        say_done(done, f"edgewright approval approve policy:{plan.model}  # by somebody else", dry_run=dry_run)


@app.command("show")
def show(model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")], as_json: Json = False) -> None:
    """Show a model's policy, and the one that waits for approval."""
    with connect() as client:
        record = client.policies.get(model)
    show_facts(record, FACTS, as_json=as_json)


def _said(policy: StepPolicy) -> str:
    steps = ("train", "promote", "package", "approve", "roll_out")
    lines = [f"{name}: {getattr(policy, name)}" for name in steps]
    people = words(policy.approvers, "everybody who may approve")
    return "\n".join([*lines, f"{policy.approvals_needed} of {people}"])


FACTS: list[Column[StepPolicyRecord]] = [
    ("model", lambda one: one.model),
    ("policy", lambda one: _said(one.policy)),
    ("stand for it", lambda one: words(one.stands)),
    ("digest", lambda one: one.digest),
    ("set by", lambda one: f"{one.set_by}, {moment(one.set_at)}" if one.set_by else "nobody: as it is by default"),
    ("waits", lambda one: _said(one.proposed) if one.proposed else ""),
    ("proposed by", lambda one: one.proposed_by),
]
