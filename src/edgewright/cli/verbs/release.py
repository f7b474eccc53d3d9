"""`edgewright release`: build, sign, approve and verify; the deltas to a release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import needs_of, release_of, version_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import moment, share, short, size, words
from edgewright.cli.keyring import KeysDir, Passphrase, Yes, may_sign, open_keys, tell_payloads
from edgewright.cli.output import (
    Column,
    DryRun,
    Json,
    refuse,
    say,
    say_done,
    show_facts,
    show_json,
    show_table,
)
from edgewright.cli.verbs.content import Reference, export, provenance, show_checks
from edgewright.cli.verbs.rollout_plan import fit

if TYPE_CHECKING:
    from edgewright.contract.api import DeltaRecord, ReleaseRecord

app = typer.Typer(no_args_is_help=True)


@app.command("build")
def build(
    version: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="digits@3; digits means the newest.")],
    note: Annotated[str, typer.Option(help="A word to those who approve it.")] = "",
    needs: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL>=COUNTER", help="Another model that must serve on the device; repeatable."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Package every variant of a version."""
    with connect() as client:
        name, number = version_of(client, version)
        release = client.releases.build(name, number, note=note, needs=needs_of(needs or ()), dry_run=dry_run)
    show_facts(release, RELEASE_FACTS, as_json=as_json)
    say_done(f"release {release.id} is built", f"edgewright release sign {release.id}", dry_run=dry_run)


@app.command("ls")
def list_releases(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Only this model.")] = "", as_json: Json = False
) -> None:
    """List the releases."""
    with connect() as client:
        releases = client.releases.list(model)
    show_table(
        releases,
        [
            ("RELEASE", lambda one: one.id),
            ("VERSION", lambda one: f"{one.model}@{one.version}"),
            ("STATE", lambda one: one.state),
            ("TARGETS", lambda one: words(package.target for package in one.packages)),
            ("SIGNED", lambda one: f"{len(one.signatures)} of {one.signatures_needed}"),
            ("APPROVED", lambda one: f"{len(one.approvals)} of {one.approvals_needed}"),
        ],
        as_json=as_json,
        empty="No releases yet. Build one: edgewright release build MODEL@VERSION",
    )


@app.command("show")
def show(reference: Reference, as_json: Json = False) -> None:
    """Show a release."""
    with connect() as client:
        release = client.releases.get(*release_of(reference))
    show_facts(release, RELEASE_FACTS, as_json=as_json)


@app.command("sign")
def sign(
    reference: Reference,
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Sign a release with keys that stay on this machine.

    Where that would sign more than the release (other paths, other keys) it asks first.
    """
    from edgewright.client.resources.releases import beyond_release

    model, counter = release_of(reference)
    with connect() as client:
        operator_keys = open_keys(keys, passphrase)
        request = client.releases.signing_request(model, counter)
        tell_payloads(operator_keys, request.payloads)
        release = request.release
        if not dry_run:
            is_accepted = bool(beyond_release(request, operator_keys)) and may_sign(yes)
            release = client.releases.add_signatures(request, operator_keys, is_accepted=is_accepted)
    show_facts(release, RELEASE_FACTS, as_json=as_json)
    say_done(
        f"release {release.id} is signed",
        f"edgewright release approve {release.id}  # by somebody else than {release.author}",
        dry_run=dry_run,
    )


@app.command("sign-promoted")
def sign_promoted(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Only this model.")] = "",
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Sign every draft that its rules have promoted.

    It is for a machine that signs, every minute or so.

    What was not judged, not promoted, or would sign more than the release is left to people.
    """
    with connect() as client:
        releases = client.releases.sign_promoted(open_keys(keys, passphrase), model, dry_run=dry_run)
    columns: list[Column[ReleaseRecord]] = [
        ("RELEASE", lambda one: one.id),
        ("VERSION", lambda one: f"{one.model}@{one.version}"),
        ("STATE", lambda one: one.state),
        ("DIGEST", lambda one: short(one.digest)),
    ]
    show_table(releases, columns, as_json=as_json, empty="No promoted release awaits a signature.")
    if releases:
        say_done(f"{len(releases)} signed", "edgewright approval ls", dry_run=dry_run)


@app.command("approve")
def approve(reference: Reference, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Approve a release as it is now; its author may not."""
    with connect() as client:
        release = client.releases.approve(*release_of(reference), dry_run=dry_run)
    show_facts(release, RELEASE_FACTS, as_json=as_json)
    given = f"release {release.id} has {len(release.approvals)} of {release.approvals_needed} approvals"
    say_done(
        f"release {release.id} is approved by you" if dry_run else given,
        f"edgewright rollout start {release.id} --group GROUP --waves 1,3,8",
        dry_run=dry_run,
    )


@app.command("verify")
def verify(reference: Reference, as_json: Json = False) -> None:
    """Check a release from the root of trust down to every file."""
    with connect() as client:
        report = client.releases.verify(*release_of(reference))
    if as_json:
        show_json(report)
    else:
        show_checks(report.checks)
    if not report.holds:
        broken = words(check.what for check in report.checks if not check.holds)
        refuse(f"{report.subject} does not verify: {broken}", field="release", hint="Do not roll it out.")
    say(f"{report.subject} verifies")


@app.command("deltas")
def deltas(
    reference: Reference,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed or did not pay.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Show the deltas to a release, or why there are none."""
    model, counter = release_of(reference)
    with connect() as client:
        found = (
            client.releases.retry_deltas(model, counter, dry_run=dry_run)
            if retry
            else client.releases.deltas(model, counter)
        )
    empty = f"No device needed a delta to {reference} yet: they are made when a rollout starts."
    show_table(found, DELTA_COLUMNS, as_json=as_json, empty=empty)
    if retry:
        say_done(f"what failed or did not pay for {reference} is tried again", "edgewright run ls", dry_run=dry_run)


app.command("provenance")(provenance)
app.command("export")(export)
app.command("fit")(fit)

RELEASE_FACTS: list[Column[ReleaseRecord]] = [
    ("release", lambda one: one.id),
    ("version", lambda one: f"{one.model}@{one.version}"),
    ("state", lambda one: f"{one.state} {one.bad_reason}".rstrip()),
    ("digest", lambda one: one.digest),
    ("packages", lambda one: "\n".join(f"{package.target}  {size(package.size_bytes)}" for package in one.packages)),
    ("signed", lambda one: _signed(one)),
    ("approved", lambda one: f"{len(one.approvals)} of {one.approvals_needed} {words(one.approvals)}"),
    ("note", lambda one: one.note),
    ("by", lambda one: f"{one.author}, {moment(one.created_at)}"),
]

DELTA_COLUMNS: list[Column[DeltaRecord]] = [
    ("BASE", lambda one: one.base),
    ("TARGET", lambda one: one.target),
    ("FILE", lambda one: one.file),
    ("DEVICES>", lambda one: str(one.devices)),
    ("BYTES>", lambda one: size(one.size_bytes) if one.size_bytes else ""),
    ("OF FULL>", lambda one: share(one.size_bytes / max(1, one.full_bytes)) if one.size_bytes else ""),
    ("STATE", lambda one: f"{one.state}: {one.reason}" if one.reason else one.state),
]


def _signed(release: ReleaseRecord) -> str:
    if not release.signatures_needed:  # what must be signed is known once the release is kept
        return "not yet"
    return f"{len(release.signatures)} of {release.signatures_needed} {words(map(short, release.signatures))}"
