"""What is said between device and hub: a check-in and its verified order, a package's manifest, the spool's records."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgewright.agent import trust
from edgewright.agent.disk import Condition, Entry, FileStore, Floors, Identity, Settings, Spool, Writer
from edgewright.agent.link import refresh
from edgewright.agent.link.hub import Link
from edgewright.agent.system import logs
from edgewright.contract import order as orders
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, Unreachable
from edgewright.contract.manifest import MAX_MANIFEST_BYTES, Manifest
from edgewright.contract.order import Install, Order
from edgewright.contract.report import Batch, CheckIn, Fault, ModelState, Pace
from edgewright.contract.trusted import TrustedSet, role_of

TIMES = ("time.json", "time.json.bak")
MAX_BATCHES = 8
MAX_BATCH_RECORDS = 500


class _Signed(msgspec.Struct, frozen=True):
    last_signed: float


class SignedTime:
    """The device's time, in seconds since the epoch: its clock's, but never before the last time the hub signed.

    From then on `monotonic`, in seconds, counts: a clock that stands still or was lost lets nothing last for ever.
    """

    def __init__(self, root: Path, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._store = FileStore(root)
        self._clock = clock
        self._monotonic = monotonic
        self._at = monotonic()
        self._last = max(_signed_time(self._store.read(name) or b"") for name in TIMES)

    def now(self) -> float:
        """The time."""
        return max(self._clock(), self._last + self._monotonic() - self._at)

    @property
    def last_signed(self) -> float:
        """The last time that was learned; 0 where there is none."""
        return self._last

    def learn(self, signed: float) -> None:
        """Remember a signed time, durably."""
        if signed > self._last:
            for name in TIMES:
                self._store.write(name, msgspec.json.encode(_Signed(signed)))
            self._last, self._at = signed, self._monotonic()


class Exchange:
    """The device's side of the talk. Raises Unreachable, NotAllowed, and HostileInput for what is not believed."""

    def __init__(
        self, root: Path, identity: Identity, link: Link, settings: Settings, time: SignedTime, reports: Writer
    ) -> None:
        self._identity = identity
        self._link = link
        self._settings = settings
        self._time = time
        floors = Floors(root)
        if floors.condition is Condition.RECOVERED:
            _report_recovery(reports, time.now())
        self._repository = refresh.Repository(FileStore(root / "tuf"), link.tuf, floors)
        self._spool = Spool(root / "spool")
        self._trusted: TrustedSet | None = None
        self._order: Order | None = None

    def check_in(self, models: Sequence[ModelState], nonce: str, pace: Pace) -> Order | None:
        """Report states and pace; the order that holds from now on, or None: the last one still holds.

        All of it, with the metadata that an order needs, is one talk: a hub that dawdles is Unreachable in the end.
        'Nothing new' is believed only while the last signed order lives: after that, the device asks as if it had
        never had one, and the hub must sign afresh.
        """
        now = self._time.now()
        last = self._order
        is_alive = last is not None and 0 <= now - last.issued_at <= last.ttl_s
        state = CheckIn(
            nonce=nonce,
            models=tuple(models),
            etag=orders.etag(last) if last is not None and is_alive else "",
            order_age_s=now - last.issued_at if last is not None else 0.0,
            backlog=self._spool.backlog(),
            pace=pace,
        )
        with self._link.talk():
            envelope = self._link.check_in(state)
            if envelope is None and not is_alive:
                raise HostileInput("the hub says 'nothing new' to a device that has no living order", field="etag")
            if envelope is None:
                return None
            self._order = self._believe(envelope, nonce)
            return self._order

    def package(self, install: Install) -> tuple[Manifest, bytes]:
        """The manifest of an install and its bytes; raises HostileInput unless a release role vouches for it."""
        if self._trusted is None:
            raise HostileInput("no metadata is trusted yet")
        now = self._datetime()
        role = role_of(install.model)
        with self._link.talk():
            self._trusted = refresh.load_role(self._repository, self._trusted, role, now)
        length, sha256 = self._trusted.target(install.target_path)
        if sha256 != install.manifest_sha256 or length > MAX_MANIFEST_BYTES:
            raise HostileInput("the order names a manifest that no release role vouches for", field="manifest_sha256")
        with self._link.talk(length):
            data = self._link.blob(sha256, length)
        return trust.read_manifest(data, install, self._trusted), data

    def send(self, is_stopping: Callable[[], bool]) -> None:
        """Send what waits in the spool, until it is empty or for some batches."""
        for _ in range(MAX_BATCHES):
            entries = self._spool.pending(MAX_BATCH_RECORDS, self._settings.batch_max_bytes)
            if not entries or is_stopping() or not self._send(entries):
                return

    def _believe(self, envelope: bytes, nonce: str) -> Order:
        """The verification of an order, in this order: metadata, signature, addressee, nonce, freshness."""
        trusted = refresh.refresh(self._repository, self._datetime())
        now, has_clock = self._time.now(), self._settings.skew_s is not None
        skew_s = self._settings.skew_s if self._settings.skew_s is not None else math.inf
        order = trust.read_order(envelope, trusted, device=self._identity.device, nonce=nonce, now=now, skew_s=skew_s)
        self._trusted = trusted
        # A thief of the director's key must not push the time of a device that has a clock, step by step, to where all
        # metadata has expired: such a device learns no time that its clock has not reached.
        self._time.learn(min(order.issued_at, now) if has_clock else order.issued_at)
        return order

    def _send(self, entries: Sequence[Entry]) -> bool:
        """Whether any record was settled. A batch that the hub refuses goes again in halves, down to the record."""
        try:
            reply = self._link.send(Batch(records=tuple(entry.record for entry in entries)))
        except (Unreachable, NotAllowed):
            raise
        except EdgewrightError as error:
            return self._settle_refused(entries, error)
        self._spool.acknowledge(reply.committed)
        return bool(reply.committed)

    def _settle_refused(self, entries: Sequence[Entry], error: EdgewrightError) -> bool:
        if len(entries) > 1:
            middle = len(entries) // 2
            parts = [self._send(entries[:middle]), self._send(entries[middle:])]
            return any(parts)
        record = entries[0].record
        logs.warn("the hub refused a record; it is dropped", id=record.id, reason=error.message)
        self._spool.acknowledge([record.id])
        return True

    def _datetime(self) -> datetime:
        return datetime.fromtimestamp(self._time.now(), UTC)


def _signed_time(data: bytes) -> float:
    try:
        return msgspec.json.decode(data, type=_Signed).last_signed
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0.0


def _report_recovery(reports: Writer, now: float) -> None:
    logs.warn("both copies of the floors were damaged; what is left in tuf/ is the floor")
    message = "both copies of floors.json were damaged or lost; the metadata left in tuf/ is the floor"
    reports.append(Fault(id=f"floors_recovered:{now}", at=now, code="floors_recovered", message=message))
