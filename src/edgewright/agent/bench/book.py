"""What a device must not forget about benches: which one is on, how often it was begun, and which ones are over.

It is kept apart from the models' records: a bench changes none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.agent.states import TRIES, Candidate
from edgewright.contract.order import Bench, Install
from edgewright.contract.report import BenchOutcome, BenchReport

NAME = "book.json"
MAX_DONE = 256


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """The bench that is on. `candidate` says what of it was fetched and how often it may still be begun.

    Once there is a `report`, all that is left is to hand it over.
    """

    bench: Bench
    candidate: Candidate
    report: BenchReport | None = None


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """`done` are the requests that were reported last: they are not measured again."""

    current: Current | None = None
    done: tuple[str, ...] = ()


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    sha256: str
    book: msgspec.Raw


def pick(book: Book, ordered: Iterable[Bench], now: float) -> Bench | None:
    """The first bench that is still to be measured."""
    return next((one for one in ordered if one.request not in book.done and now < one.expires_at), None)


def begin(book: Book, bench: Bench, manifest_bytes: int) -> Book:
    """Take up a bench."""
    install = Install(
        deployment="",
        model=bench.model,
        version=bench.version,
        counter=bench.counter,
        target_path=bench.target_path,
        manifest_sha256=bench.manifest_sha256,
        fetches=bench.fetches,
    )
    candidate = Candidate(install=install, slot="", manifest_bytes=manifest_bytes, received_bytes=manifest_bytes)
    return msgspec.structs.replace(book, current=Current(bench=bench, candidate=candidate))


def counting(current: Current, tries: int) -> Current:
    """The same with so many tries more, as it is begun (-1), or is broken off and not to blame (1)."""
    left = min(TRIES, current.candidate.tries_left + tries)
    return msgspec.structs.replace(current, candidate=msgspec.structs.replace(current.candidate, tries_left=left))


def with_current(book: Book, current: Current | None) -> Book:
    """The same book at another point of the bench that is on."""
    return msgspec.structs.replace(book, current=current)


def close(book: Book, current: Current) -> Book:
    """The bench has been reported."""
    return Book(done=(*book.done, current.bench.request)[-MAX_DONE:])


def report_of(current: Current, outcome: BenchOutcome, reason: str, now: float) -> BenchReport:
    """How the bench ended, without figures."""
    bench = current.bench
    return BenchReport(
        id=f"bench:{bench.request}",
        at=now,
        request=bench.request,
        model=bench.model,
        counter=bench.counter,
        manifest_sha256=bench.manifest_sha256,
        outcome=outcome,
        reason=reason,
        received_bytes=current.candidate.received_bytes,
    )


def load(folder: Path) -> Book:
    """The book; an empty one where there is none, or a bit is off: then a bench may be measured twice.

    Raises OSError where that cannot be told for now.
    """
    data = durable.read(folder / NAME)
    try:
        stored = msgspec.json.decode(data or b"", type=_Stored)
        if hashlib.sha256(stored.book).hexdigest() == stored.sha256:
            return msgspec.json.decode(stored.book, type=Book)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    return Book()


def save(folder: Path, book: Book) -> None:
    """Keep the book; durable when it returns."""
    body = msgspec.json.encode(book)
    stored = _Stored(sha256=hashlib.sha256(body).hexdigest(), book=msgspec.Raw(body))
    durable.make_folder(folder)
    durable.replace(folder / NAME, msgspec.json.encode(stored))
