"""What is said between device and hub: a check-in and its verified order, a package's manifest, the spool's records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgewright.agent import trust
from edgewright.agent.disk import Condition, Entry, FileStore, Floors, Identity, Settings, Spool, Writer
from edgewright.agent.link import refresh
from edgewright.agent.link.allowance import Allowance
from edgewright.agent.link.hub import Link
from edgewright.agent.link.signed_time import SignedTime
from edgewright.agent.system import logs
from edgewright.contract import order as orders
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, Unreachable
from edgewright.contract.manifest import MAX_MANIFEST_BYTES, Manifest
from edgewright.contract.order import Bench, Install, Order
from edgewright.contract.report import Batch, CheckIn, Fault, InstallReport
from edgewright.contract.trusted import TrustedSet, role_of

MAX_BATCHES = 8
MAX_BATCH_RECORDS = 500
MAX_DOUBTS = 8
STALE_S = 60.0


class Exchange:
    """The device's side of the talk. Raises Unreachable, NotAllowed, and HostileInput for what is not believed."""

    def __init__(
        self,
        root: Path,
        identity: Identity,
        link: Link,
        settings: Settings,
        time: SignedTime,
        reports: Writer,
        allowance: Allowance | None = None,
    ) -> None:
        """Without an `allowance` there is nothing that the line may not do."""
        self._identity = identity
        self._allowance = allowance
        self._link = link
        self._settings = settings
        self._time = time
        self.floors = Floors(root)
        if self.floors.condition is Condition.RECOVERED:
            _report_recovery(reports, time.now())
        self._repository = refresh.Repository(FileStore(root / "tuf"), link.tuf, self.floors)
        self.spool = Spool(root / "spool", settings.spool_max_bytes, time.now)
        self._trusted: TrustedSet | None = None
        self._order: Order | None = None
        self._doubts: dict[str, int] = {}
        self.contacted_at = 0.0  # when the hub answered last, in seconds since the epoch; 0: not since the start

    def check_in(self, state: CheckIn) -> Order | None:
        """Report `state`; the order that holds from now on, or None: the last one still holds.

        What it says of the last order, and of what waits, is filled in here.

        All of it, with the metadata that an order needs, is one talk: a hub that dawdles is Unreachable in the end.
        'Nothing new' is believed only while the last signed order lives: after that, the device asks as if it had
        never had one, and the hub must sign afresh.
        """
        now = self._time.now()
        last = self._order
        age_s = now - last.issued_at if last is not None else 0.0  # below 0 where the clock is a little slow
        is_alive = last is not None and -self._time.skew_s(self._settings.skew_s) <= age_s <= last.ttl_s
        state = msgspec.structs.replace(
            state,
            etag=orders.etag(last) if last is not None and is_alive else "",
            order_age_s=max(0.0, age_s),
            backlog=self.spool.backlog(),
        )
        with self._link.talk():
            envelope = self._link.check_in(state)
            if envelope is None and not is_alive:
                raise HostileInput("the hub says 'nothing new' to a device that has no living order", field="etag")
            if envelope is not None:
                self._order = self._believe(envelope, state.nonce)
        self.contacted_at = self._time.now()
        if self._allowance is not None:
            self._allowance.checked_in(self._order.issued_at if self._order else 0.0)
        return self._order if envelope is not None else None

    def package(self, wanted: Install | Bench) -> tuple[Manifest, bytes]:
        """The manifest of an ordered package and its bytes; raises HostileInput unless a release role vouches for it.

        A line may garble what it carries, so what is not what was signed is asked for again before that is the last
        word: Unreachable, MAX_DOUBTS times.
        """
        if self._trusted is None:
            raise HostileInput("no metadata is trusted yet")
        now, role = self._datetime(), role_of(wanted.model)
        with self._doubting(wanted), self._link.talk():
            self._trusted = refresh.load_role(self._repository, self._trusted, role, now)
        length, sha256 = self._trusted.target(wanted.target_path)
        if sha256 != wanted.manifest_sha256 or length > MAX_MANIFEST_BYTES:
            raise HostileInput("the order names a manifest that no release role vouches for", field="manifest_sha256")
        with self._doubting(wanted), self._link.talk(length):
            data = self._link.blob(sha256, length)
        return trust.read_manifest(data, wanted, self._trusted), data

    def send(self, is_stopping: Callable[[], bool]) -> None:
        """Send what waits in the spool, until it is empty or for some batches, as far as the line may be used."""
        for _ in range(MAX_BATCHES):
            entries = self._may_go(self.spool.pending(MAX_BATCH_RECORDS, self._settings.batch_max_bytes))
            if not entries or is_stopping():
                return
            leaving = self.spool.sending(entries)
            if not leaving or not self._send(leaving):
                return

    @contextlib.contextmanager
    def _doubting(self, wanted: Install | Bench) -> Iterator[None]:
        try:
            yield
        except HostileInput as error:
            doubts = self._doubts[wanted.manifest_sha256] = self._doubts.get(wanted.manifest_sha256, 0) + 1
            if doubts > MAX_DOUBTS:
                del self._doubts[wanted.manifest_sha256]
                raise
            raise Unreachable(f"asked for again, as it is not believed: {error.message}", field=error.field) from error

    def _may_go(self, entries: list[Entry]) -> list[Entry]:
        """Those of `entries` that the day's bytes allow, in their order; urgent ones may use what is kept for them."""
        if self._allowance is None:
            return entries
        bulk_bytes = self._allowance.may_send_bytes(is_urgent=False)
        urgent_bytes = self._allowance.may_send_bytes(is_urgent=True)
        going: list[Entry] = []
        for entry in entries:
            is_urgent = isinstance(entry.record, InstallReport | Fault)
            if entry.size_bytes <= (urgent_bytes if is_urgent else bulk_bytes):
                bulk_bytes, urgent_bytes = bulk_bytes - entry.size_bytes, urgent_bytes - entry.size_bytes
                going.append(entry)
        return going

    def _believe(self, envelope: bytes, nonce: str) -> Order:
        """The verification of an order, in this order: metadata, signature, addressee, nonce, freshness."""
        self._note(envelope)
        trusted = refresh.refresh(self._repository, self._datetime())
        now, has_clock = self._time.now(), self._settings.skew_s is not None and self._time.has_clock()
        skew_s = self._time.skew_s(self._settings.skew_s)
        order = trust.read_order(envelope, trusted, device=self._identity.device, nonce=nonce, now=now, skew_s=skew_s)
        # A thief of the director's key must not push the time of a device that has a clock, step by step, to where all
        # metadata has expired: such a device learns no time that its clock has not reached.
        self._time.learn(min(order.issued_at, now) if has_clock else order.issued_at)
        if not has_clock and order.issued_at > now + STALE_S:  # what was fresh for a clock of last year may not be
            trusted = refresh.refresh(self._repository, self._datetime())
        self._trusted = trusted
        return order

    def _note(self, envelope: bytes) -> None:
        with contextlib.suppress(HostileInput):
            self._time.note(trust.claimed_moment(envelope))

    def _send(self, entries: Sequence[Entry]) -> bool:
        """Whether any record was settled. A batch that the hub refuses goes again in halves, down to the record."""
        try:
            reply = self._link.send(Batch(records=tuple(entry.record for entry in entries)))
        except (Unreachable, NotAllowed, HostileInput):  # HostileInput: nobody knows what the hub has said
            raise
        except EdgewrightError as error:
            return self._settle_refused(entries, error)
        self.spool.acknowledge(reply.committed)
        return bool(reply.committed)

    def _settle_refused(self, entries: Sequence[Entry], error: EdgewrightError) -> bool:
        if len(entries) > 1:
            middle = len(entries) // 2
            parts = [self._send(entries[:middle]), self._send(entries[middle:])]
            return any(parts)
        record = entries[0].record
        logs.warn("the hub refused a record; it is dropped", id=record.id, reason=error.message)
        self.spool.acknowledge([record.id])
        return True

    def _datetime(self) -> datetime:
        return datetime.fromtimestamp(self._time.now(), UTC)


def _report_recovery(reports: Writer, now: float) -> None:
    logs.warn("both copies of the floors were damaged; what is left in tuf/ is the floor")
    message = "both copies of floors.json were damaged or lost; the metadata left in tuf/ is the floor"
    reports.append(Fault(id=f"floors_recovered:{now}", at=now, code="floors_recovered", message=message))
