"""Scenarios of what a device keeps besides its models: who it is, what waits for the hub, its floors and its time."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from device import NOW, sha256
from faults.tracing import mark

from edgewright.agent.disk import FileStore, Floors, Settings, durable, load_identity, settings
from edgewright.agent.disk.spool import Spool, Writer
from edgewright.agent.keys import open_key
from edgewright.agent.link import SignedTime, enrol
from edgewright.contract.devicekey import DeviceKey
from edgewright.contract.errors import EdgewrightError, NotAllowed
from edgewright.contract.report import Capabilities, EnrolReply, EnrolRequest, Fault, InstallReport, Outcome, Record

ATTEMPTS = 6
CLAIM = "ew_claim_1"
CAPABILITIES = Capabilities(
    arch="x86_64", cores=1, ram_bytes=1, disk_free_bytes=10**9, runtimes={"onnxruntime": "1"}, agent_version="0"
)


class ClaimingHub:
    """Gives a claim's identity to one key, and to that one as often as it asks, as the real hub does."""

    def __init__(self, known_key: str = "") -> None:
        self._known_key = known_key

    def enrol(self, request: EnrolRequest) -> EnrolReply:
        if self._known_key not in ("", request.public_key.hex()) or request.claim != CLAIM:
            raise NotAllowed("the claim token was used already", field="claim")
        mark(f"claimed {request.public_key.hex()}")
        return EnrolReply(device="dev1", root=root_of_trust(), hub_time=NOW, labels={"site": "x"})


class Claim:
    """Enrolment: a key is made, the hub burns the claim for it, root and identity are kept."""

    name = "claim"
    is_thorough = True

    def prepare(self, root: Path) -> None:
        root_of_trust()

    def act(self, root: Path) -> None:
        self._enrol(root, ClaimingHub())
        mark("done")

    def endure(self, root: Path, *, is_writable: bool) -> None:
        endure(lambda: self.act(root))

    def find(self, root: Path, marks: Sequence[str]) -> str:
        return "" if "done" not in marks or load_identity(root) else "it had enrolled, and knows of nothing"

    def mend(self, root: Path, marks: Sequence[str]) -> str:
        keys = {said.split()[1] for said in marks if said.startswith("claimed")}
        if load_identity(root) is None:
            self._enrol(root, ClaimingHub(next(iter(keys), "")))
        identity, public = load_identity(root), _key(root).public_key.raw.hex()
        if identity is None or identity.device != "dev1" or keys - {public}:
            return "it is not who the hub knows"
        kept = {Floors(root).read("root.json"), FileStore(root / "tuf").read("root.json")}
        return "" if kept == {root_of_trust()} else "it does not know whom to trust"

    def _enrol(self, root: Path, hub: ClaimingHub) -> None:
        durable.make_folder(root)  # as the command does first
        facts = {"hub": "https://hub.example", "claim": CLAIM, "name": "device"}
        enrol(root, **facts, key=_key(root), link=hub, measure=lambda: CAPABILITIES)  # type: ignore[arg-type]


class Flush:
    """Records are appended, sent, acknowledged and their segments deleted, more than once."""

    name = "spool"
    is_thorough = True
    MAX_BYTES = 8 * 700  # segments of 700 bytes: some are full on the way

    def __init__(self, rounds: int = 3) -> None:
        self._rounds = rounds

    def prepare(self, root: Path) -> None:
        writer = Writer(root / "spool", "app", self.MAX_BYTES)
        for number in range(4):
            writer.append(_fault(f"before {number}"))
        writer.close()

    def act(self, root: Path) -> None:
        writer = Writer(root / "spool", "agent", self.MAX_BYTES)
        spool = Spool(root / "spool")
        for turn in range(self._rounds):
            for number in range(3):
                _append(writer, _fault(f"{turn} {number}"))
            _append(writer, _report(f"{turn} report"))
            _deliver(spool)
        _append(writer, _fault("last"))
        writer.close()

    def endure(self, root: Path, *, is_writable: bool) -> None:
        endure(lambda: self.act(root))

    def find(self, root: Path, marks: Sequence[str]) -> str:
        delivered = {said.removeprefix("delivered ") for said in marks if said.startswith("delivered ")}
        appended = {said.removeprefix("appended ") for said in marks if said.startswith("appended ")}
        appended |= {f"before {number}" for number in range(4)}
        waiting = [entry.record.id for entry in Spool(root / "spool").pending(1000, 10**9)]
        if len(waiting) != len(set(waiting)):
            return f"it would send twice: {waiting}"
        lost = appended - delivered - set(waiting)
        return f"it has lost {sorted(lost)}" if lost else ""

    def mend(self, root: Path, marks: Sequence[str]) -> str:
        if why := self.find(root, marks):
            return why
        writer, spool = Writer(root / "spool", "agent", self.MAX_BYTES), Spool(root / "spool")
        writer.append(_fault("after"))
        mark("appended after")
        waiting = {entry.record.id for entry in spool.pending(1000, 10**9)}
        _deliver(spool)
        writer.close()
        spool.acknowledge([])
        if "after" not in waiting or Spool(root / "spool").backlog():
            return "it takes nothing up, or forgets nothing"
        left = [path.name for path in (root / "spool").glob("*.log")]
        return f"it leaves {left}" if left else ""


class Facts:
    """Floors, signed time and settings are written anew."""

    name = "facts"
    is_thorough = True

    def prepare(self, root: Path) -> None:
        Floors(root).write("timestamp.json", b"1")
        _time(root).learn(1000.0)
        settings.save(root, Settings(poll_s=1.0))

    def act(self, root: Path) -> None:
        Floors(root).write("timestamp.json", b"2")
        mark("floor")
        _time(root).learn(2000.0)
        mark("time")
        settings.save(root, Settings(poll_s=2.0))
        mark("settings")

    def endure(self, root: Path, *, is_writable: bool) -> None:
        endure(lambda: self.act(root))

    def find(self, root: Path, marks: Sequence[str]) -> str:
        floor = Floors(root).read("timestamp.json")
        if floor not in ((b"2",) if "floor" in marks else (b"1", b"2")):
            return f"the floor fell to {floor!r}"
        learned = _time(root).last_signed
        if learned not in ((2000.0,) if "time" in marks else (1000.0, 2000.0)):
            return f"the time went back to {learned}"
        poll_s = settings.load(root).poll_s
        return "" if poll_s in ((2.0,) if "settings" in marks else (1.0, 2.0)) else f"settings: {poll_s}"

    def mend(self, root: Path, marks: Sequence[str]) -> str:
        self.act(root)
        return self.find(root, ("floor", "time", "settings"))


def endure(act: Callable[[], None]) -> None:
    """Try it some times, while the disk fails; then the disk is well."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(EdgewrightError, OSError):
            act()
            break
    mark("lifted")


@functools.cache
def root_of_trust() -> bytes:
    """The signed root of a hub that was made for this."""
    from edgewright.client.keys import OperatorKeys, ceremony
    from edgewright.hub.govern import Keys
    from edgewright.hub.packaging.repository import Repository

    folder = Path(tempfile.mkdtemp())
    keys = Keys(folder / "keys")
    OperatorKeys(folder / "operator")
    ceremony(folder / "operator", folder / "tuf", keys.public(), datetime.fromtimestamp(NOW, UTC))
    data = Repository(folder / "tuf", keys.timestamp, keys.snapshot).root_bytes()
    shutil.rmtree(folder)
    return data


def _append(writer: Writer, record: Record) -> None:
    writer.append(record)
    mark(f"appended {record.id}")


def _deliver(spool: Spool) -> None:
    while entries := spool.pending(5, 10**6):
        ids = [entry.record.id for entry in entries]
        for id in ids:
            mark(f"delivered {id}")
        spool.acknowledge(ids)


def _fault(id: str) -> Fault:
    return Fault(id=id, at=1.0, code="c", message=sha256(id.encode()) * 2)


def _report(id: str) -> InstallReport:
    return InstallReport(id=id, at=1.0, deployment="d", model="m", counter=1, outcome=Outcome.COMMITTED, step="commit")


def _key(root: Path) -> DeviceKey:
    return open_key(root, "file", {})


def _time(root: Path) -> SignedTime:
    return SignedTime(root, lambda: 0.0, lambda: 0.0)
