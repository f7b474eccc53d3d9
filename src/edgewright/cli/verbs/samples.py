"""`edgewright data policy, lake, erase`: what may be kept of what devices see, where it lies, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import counted, moment, size, words
from edgewright.cli.output import DryRun, Json, say, say_done, show_facts, show_json, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import ErasureRecord, PolicyRecord
    from edgewright.contract.data_policy import DataPolicy


def add_to(app: typer.Typer) -> None:
    """Make these verbs of `edgewright data`."""
    for name, verb in (("policy", policy), ("lake", lake), ("erase", erase)):
        app.command(name)(verb)


def policy(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")],
    put: Annotated[
        Path | None, typer.Option("--set", metavar="FILE.toml", help="Set it to the table [data] of this file.")
    ] = None,
    forbid: Annotated[bool, typer.Option("--forbid", help="Let no samples leave any device from now on.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show or set what may be done with what a model's devices see.

    What a policy forbids holds at once; what it allows, from the next release on, which carries it signed.
    """
    import msgspec

    with connect() as client:
        record = client.data_policies.get(model)
        if put is not None or forbid:
            wanted = _read(put) if put is not None else msgspec.structs.replace(record.policy, may_leave=False)
            record = client.data_policies.put(model, wanted, dry_run=dry_run)
    if as_json:
        show_json(record)
        return
    _show(record)
    if put is not None or forbid:
        say_done(f"the data policy of {model} is set", f"edgewright release build {model}@VERSION", dry_run=dry_run)
    elif not record.set_by:
        say(f"Nobody has set one. In edgewright.toml: [data] may_leave = true; or edgewright data policy {model} --set")


def lake(as_json: Json = False) -> None:
    """Show the Delta Lake tables of samples and labels.

    Spark, Trino, DuckDB and others read them.
    """
    with connect() as client:
        found = client.lake.tables()
    show_table(
        found,
        [
            ("TABLE", lambda one: one.table),
            ("ROWS>", lambda one: f"{one.rows:,}"),
            ("FILES>", lambda one: str(one.files)),
            ("SIZE>", lambda one: size(one.size_bytes)),
            ("VERSION>", lambda one: str(one.version)),
            ("AT", lambda one: one.url),
        ],
        as_json=as_json,
        empty="Nothing has landed yet: samples come when a pipeline asks for them.",
    )


def erase(
    subject: Annotated[str, typer.Option(help="The person: the name by which samples tell of them.")],
    rewrite: Annotated[
        bool | None,
        typer.Option("--rewrite/--keep-snapshots", help="Replace snapshots that hold rows of them, or keep those."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete all that is known of a person, for good.

    What saw it is listed: snapshots, and the versions that learned from them. This cannot be undone.
    """
    from edgewright.contract.api import ErasureDraft

    with connect() as client:
        record = client.lake.erase(ErasureDraft(subject=subject, rewrite=rewrite), dry_run=dry_run)
    if as_json:
        show_json(record)
        return
    _tell(record)
    done = f"{counted(record.samples, 'sample')} and {counted(record.labels, 'label')} are erased"
    say_done(done if record.samples or record.labels else "there is nothing of this person", dry_run=dry_run)


def _read(file: Path) -> DataPolicy:
    import tomllib

    import msgspec

    from edgewright.contract.data_policy import DataPolicy
    from edgewright.contract.errors import InvalidInput

    try:
        told = tomllib.loads(file.read_text(encoding="utf-8")).get("data", {})
        told = {name: value for name, value in told.items() if name not in ("dataset", "path")}
        return msgspec.convert(told, DataPolicy)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"cannot read {file}: {error}", field="file") from error
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{file}, [data]: {error}", field="data") from error


def _show(record: PolicyRecord) -> None:
    told = record.policy
    steps = [f"{type(step).__name__.lower()} {step.input}" for step in told.redaction]
    days = f"{told.retention_days:g} days" if told.retention_days else "until somebody deletes them"
    show_facts(
        record,
        [
            ("model", lambda one: one.model),
            ("samples may leave", lambda _: "yes" if told.may_leave else "no"),
            ("inputs", lambda _: words(told.inputs, "all")),
            ("redaction", lambda _: words(steps, "none")),
            ("device's redactor", lambda _: "needed" if told.is_redactor_needed else "if a device has one"),
            ("references", lambda _: "hashed" if told.is_reference_hashed else "as the app says them"),
            ("subject", lambda _: told.subject or "nobody is named"),
            ("groups", lambda _: words(told.groups, "none")),
            ("purpose", lambda _: told.purpose),
            ("kept for", lambda _: days),
            ("a device's day", lambda _: size(told.max_bytes_per_day) if told.max_bytes_per_day else "no bound"),
            ("set by", lambda one: f"{one.set_by}, {moment(one.set_at)}" if one.set_by else "nobody"),
        ],
        as_json=False,
    )


def _tell(record: ErasureRecord) -> None:
    kept = [f"{one.snapshot}: {sum(one.rows.values())} rows" for one in record.snapshots if not one.replaced_by]
    replaced = [f"{one.snapshot} → {one.replaced_by}" for one in record.snapshots if one.replaced_by]
    show_facts(
        record,
        [
            ("samples", lambda one: str(one.samples)),
            ("labels", lambda one: str(one.labels)),
            ("models", lambda one: words(one.models, "none")),
            ("devices", lambda one: words(one.devices, "none")),
            ("lake rows gone", lambda one: str(one.lake_rows)),
            ("blobs gone", lambda one: str(one.blobs)),
            ("snapshots with them", lambda _: "\n".join([*replaced, *kept]) or "none"),
            ("versions that saw", lambda one: "\n".join(f"{v.version}: {v.why}" for v in one.versions) or "none"),
            ("self-tests with them", lambda one: words(one.self_tests, "none")),
            ("what remains", lambda one: "\n".join(one.remains)),
        ],
        as_json=False,
    )
