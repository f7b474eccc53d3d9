"""Reads and writes releases: from rows to records and back, inside the caller's transaction."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import PackageRecord, ReleaseRecord, ReleaseState, SignatureDraft, SigningPayload
from edgewright.contract.manifest import Manifest
from edgewright.hub.packaging import table
from edgewright.hub.packaging.model import Signing, UnknownRelease, counting_approvals
from edgewright.hub.packaging.signatures import SignedPayload


def next_counter(connection: sa.Connection, model: str) -> int:
    """The counter of the model's next release: one above all before."""
    query = sa.select(sa.func.max(table.release.c.counter)).where(table.release.c.model == model)
    return int(connection.scalar(query) or 0) + 1


def insert(connection: sa.Connection, record: ReleaseRecord, manifests: dict[str, tuple[Manifest, int]]) -> None:
    """Keep a new release. `manifests`: each package's manifest and its length in bytes, by target."""
    key = {"model": record.model, "counter": record.counter}
    row = {"version": record.version, "digest": record.digest, "state": record.state, "author": record.author}
    connection.execute(
        sa.insert(table.release).values(**key, **row, note=record.note, created_at=record.created_at, bad_reason="")
    )
    for package in record.packages:
        manifest, length = manifests[package.target]
        connection.execute(
            sa.insert(table.package).values(
                **key,
                target=package.target,
                path=package.path,
                manifest_sha256=package.manifest_sha256,
                manifest_bytes=length,
                size_bytes=package.size_bytes,
                recipe=list(package.recipe),
            )
        )
        rows = [
            {"manifest_sha256": package.manifest_sha256, "model": record.model, **msgspec.structs.asdict(file)}
            for file in manifest.files
        ]
        connection.execute(sa.insert(table.package_file), rows)  # all at once: there may be thousands


def read(connection: sa.Connection, model: str, counter: int, approvals_needed: int) -> ReleaseRecord:
    """One release; raises UnknownRelease."""
    query = sa.select(table.release).where(*_is(table.release, model, counter))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownRelease(f"model '{model}' has no release {counter}", field="counter")
    return _record(connection, row, approvals_needed)


def read_all(connection: sa.Connection, model: str, approvals_needed: int) -> list[ReleaseRecord]:
    """The newest first; all models' if `model` is empty."""
    query = sa.select(table.release).order_by(table.release.c.created_at.desc(), table.release.c.counter.desc())
    if model:
        query = query.where(table.release.c.model == model)
    return [_record(connection, row, approvals_needed) for row in connection.execute(query).mappings().all()]


def set_state(connection: sa.Connection, record: ReleaseRecord, state: ReleaseState, bad_reason: str = "") -> None:
    """Move a release to another state."""
    query = sa.update(table.release).where(*_is(table.release, record.model, record.counter))
    connection.execute(query.values(state=state, bad_reason=bad_reason))


def replace_payloads(connection: sa.Connection, model: str, counter: int, payloads: tuple[SigningPayload, ...]) -> None:
    """Keep what people shall sign; signatures over what was to be signed before are forgotten."""
    connection.execute(sa.delete(table.signature).where(*_is(table.signature, model, counter)))
    connection.execute(sa.delete(table.payload).where(*_is(table.payload, model, counter)))
    for payload in payloads:
        values = {"role": payload.role, "version": payload.version, "signed": payload.signed}
        rule = {"keyids": list(payload.keyids), "threshold": payload.threshold}
        connection.execute(sa.insert(table.payload).values(model=model, counter=counter, **values, **rule))


def add_signature(connection: sa.Connection, model: str, counter: int, draft: SignatureDraft) -> None:
    """Keep a signature; that of the same key again replaces it."""
    key = {"model": model, "counter": counter, "role": draft.role, "keyid": draft.keyid}
    connection.execute(sa.delete(table.signature).where(*(table.signature.c[name] == key[name] for name in key)))
    connection.execute(sa.insert(table.signature).values(**key, version=draft.version, signature=draft.signature))


def payloads(connection: sa.Connection, model: str, counter: int) -> list[SignedPayload]:
    """What people shall sign, with the signatures so far; the top-level targets first."""
    signatures = [
        SignatureDraft(role=row.role, version=row.version, keyid=row.keyid, signature=row.signature)
        for row in connection.execute(sa.select(table.signature).where(*_is(table.signature, model, counter)))
    ]
    query = sa.select(table.payload).where(*_is(table.payload, model, counter)).order_by(table.payload.c.role.desc())
    return [
        SignedPayload(
            SigningPayload(
                role=row.role,
                version=row.version,
                signed=row.signed,
                keyids=tuple(row.keyids),
                threshold=row.threshold,
            ),
            tuple(draft for draft in signatures if (draft.role, draft.version) == (row.role, row.version)),
        )
        for row in connection.execute(query)
    ]


def signings(pieces: list[SignedPayload]) -> list[Signing]:
    """How far each piece is signed. Signatures were verified before they were kept."""
    return [
        Signing(
            role=piece.payload.role,
            keyids=frozenset(draft.keyid for draft in piece.signatures),
            threshold=piece.payload.threshold,
        )
        for piece in pieces
    ]


def approve(connection: sa.Connection, record: ReleaseRecord, user: str, at: float) -> None:
    """Keep an approval, bound to the release's digest."""
    where = [*_is(table.approval, record.model, record.counter), table.approval.c.user == user]
    connection.execute(sa.delete(table.approval).where(*where))
    key = {"model": record.model, "counter": record.counter, "user": user}
    connection.execute(sa.insert(table.approval).values(**key, digest=record.digest, at=at))


def _record(connection: sa.Connection, row: Any, approvals_needed: int) -> ReleaseRecord:
    model, counter = row["model"], row["counter"]
    packages = sa.select(table.package).where(*_is(table.package, model, counter)).order_by(table.package.c.target)
    approvals = sa.select(table.approval.c.user, table.approval.c.digest).where(*_is(table.approval, model, counter))
    who = [(item.user, item.digest) for item in connection.execute(approvals)]
    signed = signings(payloads(connection, model, counter))
    return ReleaseRecord(
        id=f"{model}/{counter}",
        model=model,
        version=row["version"],
        counter=counter,
        digest=row["digest"],
        state=ReleaseState(row["state"]),
        packages=tuple(_package(item) for item in connection.execute(packages).mappings()),
        author=row["author"],
        approvals=counting_approvals(who, row["digest"], row["author"]),
        approvals_needed=approvals_needed,
        signatures=tuple(sorted(keyid for piece in signed for keyid in piece.keyids)),
        signatures_needed=sum(piece.threshold for piece in signed),
        note=row["note"],
        created_at=row["created_at"],
        bad_reason=row["bad_reason"],
    )


def _package(row: Any) -> PackageRecord:
    return PackageRecord(
        target=row["target"],
        path=row["path"],
        manifest_sha256=row["manifest_sha256"],
        size_bytes=row["size_bytes"],
        recipe=tuple(row["recipe"]),
    )


def _is(of: sa.Table, model: str, counter: int) -> list[sa.ColumnElement[bool]]:
    return [of.c.model == model, of.c.counter == counter]
